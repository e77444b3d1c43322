//! The body of a C function: what its templates do is noted as they pass through to the assembler.

use super::error::{CFunctionError, first_line};
use super::kind::Kind;
use super::moves::{Destination, Source};
use super::places::{ArgumentPlace, ArgumentPlaces, result_places};
use super::value::{Place, Target, To};
use super::ways::{Here, Ways};
use crate::frame::{CALLER_OWNED_SET, CallableFrame, LOCALS_BELOW};
use crate::registers::{Moves, parallel_move};
use crate::stitch::{Assembler, CodePtr, Constant, Function, Label, Life, PatchPoint, Section};
use crate::{templates, x64};
use jit_asm::template::{Flags, Hole, HoleKind, RegField, StackMove};
use jit_asm::{Address, AlignSink, Features, Field, Gpr, LinkSink, RegSet, Sink, Template, padding};

/// The register that moves use themselves: nothing is passed in it, and the linker's stubs may change it anyway
/// (System V AMD64 ABI, 3.2.1).
pub(super) const SCRATCH: Gpr = Gpr::R11;

/// Where a callee that is a value stands: nothing is passed in it either.
const CALLEE: Gpr = Gpr::R10;

/// From rbp to the first argument on the stack.
const ARGUMENTS_ABOVE: i32 = 16;

/// Bytes of a `cld` and a `vzeroupper`.
const CLEARING: usize = 4;

/// A C function of any type under construction.
#[derive(Debug)]
pub(super) struct Body<'a> {
    asm: &'a mut Assembler,
    frame: CallableFrame,
    section: Section,
    start: CodePtr,
    entry: Label,
    life: Life,
    end: Label,
    /// Registers that the templates so far may write.
    written: RegSet,
    /// What a call in a template may write of the registers that belong to the caller.
    calls_write: RegSet,
    /// The last template, whose registers chosen at emission are seen when it has been filled.
    unread: Option<(CodePtr, &'static Template)>,
    clearing: Clearing,
    /// Whether code may jump back to in front of a call: then what it does in between is not known at the call.
    loops: bool,
    /// Room in front of calls for what is known at the end.
    rooms: Vec<(Section, CodePtr)>,
    /// Where rsp is.
    ways: Ways,
    locals: u32,
    outgoing: u32,
    /// The results are in place, and the jump to the end has not been emitted: it may not be needed.
    returning: bool,
    error: Option<CFunctionError>,
}

impl<'a> Body<'a> {
    pub(super) fn begin(asm: &'a mut Assembler) -> Body<'a> {
        asm.align(16, 0);
        let [entry, end] = asm.labels();
        asm.bind(entry);
        let (start, section) = (asm.offset(), asm.section());
        let life = asm.begin_function(start);
        let frame = CallableFrame::begin(asm);
        Body {
            asm,
            frame,
            section,
            start,
            entry,
            life,
            end,
            written: RegSet::EMPTY,
            calls_write: CALLER_OWNED_SET,
            unread: None,
            clearing: Clearing::default(),
            loops: false,
            rooms: vec![],
            ways: Ways::begin(),
            locals: 0,
            outgoing: 0,
            returning: false,
            error: (section == Section::Cold).then_some(CFunctionError::BeginsCold),
        }
    }

    /// Where it begins, as an offset and as a label, and in which life of the assembler.
    pub(super) fn entry(&self) -> (CodePtr, Label, Life) {
        (self.start, self.entry, self.life)
    }

    /// Where arguments of these kinds are at the beginning of the body.
    pub(super) fn arguments(kinds: &[Kind]) -> Vec<Place> {
        let mut places = ArgumentPlaces::default();
        let place = |kind: &Kind| match places.next(*kind) {
            ArgumentPlace::Gpr(register) => Place::Gpr(register),
            ArgumentPlace::Vector(register) => Place::Vector(register),
            ArgumentPlace::Stack(word) => Place::Memory(Gpr::Rbp, ARGUMENTS_ABOVE + 8 * word as i32),
        };
        kinds.iter().map(place).collect()
    }

    /// Move the arguments that are in registers to locals. Where all of them are, as distances from rbp.
    pub(super) fn keep_arguments(&mut self, kinds: &[Kind]) -> Vec<i32> {
        let mut keep = |(kind, place): (&Kind, Place)| match place {
            Place::Memory(_, disp) => disp,
            place => {
                let disp = self.area(8);
                self.emit(Destination::Object(Address::new(Gpr::Rbp, disp)), Source { kind: *kind, place });
                disp
            }
        };
        kinds.iter().zip(Body::arguments(kinds)).map(&mut keep).collect()
    }

    /// Room in the frame: its distance from rbp. It is 16-aligned if it is a multiple of 16 bytes long.
    pub(super) fn area(&mut self, bytes: u32) -> i32 {
        let align = if bytes.is_multiple_of(16) { 16 } else { 8 };
        let end = u64::from(self.locals) + u64::from(bytes);
        let end = end.next_multiple_of(align).min(u32::MAX.into());
        self.locals = end as u32;
        // Too large a frame is refused at the end; until then the distance only has to be a number.
        (-i64::from(self.locals) - i64::from(LOCALS_BELOW)) as i32
    }

    /// Move one value.
    pub(super) fn set(&mut self, kind: Kind, to: Place, from: Place) {
        let to = match to {
            Place::Gpr(register) => Destination::Gpr(register),
            Place::Vector(register) => Destination::Vector(register),
            Place::Memory(SCRATCH, _) => return self.fail(CFunctionError::InScratch { register: SCRATCH }),
            Place::Memory(base, disp) => Destination::Object(Address::new(base, disp)),
            Place::Constant(_) => return self.fail(CFunctionError::IntoConstant),
        };
        self.move_all(&[(to, Source { kind, place: from })]);
    }

    fn move_all(&mut self, moves: &[(Destination, Source)]) {
        let in_scratch =
            |source: &Source| matches!(source.place, Place::Gpr(r) | Place::Memory(r, _) if r == SCRATCH);
        if moves.iter().any(|(_, from)| in_scratch(from)) {
            self.fail(CFunctionError::InScratch { register: SCRATCH });
        }
        parallel_move(self, moves);
    }

    /// Call with arguments of these kinds.
    pub(super) fn call(&mut self, target: Target, arguments: &[(Kind, Place)], variadic: bool) {
        self.before();
        self.expect_unmoved();
        let data = target.data.map(|data| (Kind::W64, Place::Constant(data)));
        let mut places = ArgumentPlaces::default();
        let mut moves = Vec::with_capacity(arguments.len() + 2);
        for (kind, place) in data.iter().chain(arguments) {
            let to = match places.next(*kind) {
                ArgumentPlace::Gpr(register) => Destination::Gpr(register),
                ArgumentPlace::Vector(register) => Destination::Vector(register),
                ArgumentPlace::Stack(word) => Destination::Word(8 * word as i32),
            };
            moves.push((to, Source { kind: *kind, place: *place }));
        }
        if let To::Place(place) = target.to {
            moves.push((Destination::Gpr(CALLEE), Source { kind: Kind::W64, place }));
        }
        if let To::Entry(_, life) = target.to
            && life != self.life
        {
            self.fail(CFunctionError::OtherAssembler);
        }
        self.outgoing = self.outgoing.max(8 * places.words());
        self.move_all(&moves);
        if variadic {
            x64!(self => mov eax, {i32::from(places.vectors())});
        }
        self.before();
        self.clear_before_call();
        // Past `self`, which would count what the callee may change: it is a C function, and gives it back.
        let asm = &mut *self.asm;
        match target.to {
            To::Address(address) => x64!(asm => call [{Constant::u64(address)}]),
            To::Entry(label, _) => x64!(asm => call {label}),
            To::Place(_) => x64!(asm => call {CALLEE: r64}),
        }
        if let Some(keep) = target.keep {
            self.asm.keep(keep);
        }
    }

    /// Have the results in place and return.
    pub(super) fn ret(&mut self, kinds: &[Kind], places: &[Place]) {
        let sources = kinds.iter().zip(places).map(|(&kind, &place)| Source { kind, place });
        let moves: Vec<_> = result_places(kinds)
            .map(|to| match to {
                Place::Gpr(register) => Destination::Gpr(register),
                Place::Vector(register) => Destination::Vector(register),
                Place::Memory(..) | Place::Constant(_) => unreachable!("results are in registers"),
            })
            .zip(sources)
            .collect();
        self.move_all(&moves);
        self.before();
        self.returning = true;
    }

    /// Emit the end, and fill in the beginning.
    pub(super) fn finish(mut self) -> Result<(), CFunctionError> {
        self.read_last();
        if self.asm.section() != self.section {
            self.before();
            self.asm.switch_to(self.section);
        }
        self.expect_unmoved();
        let Body {
            asm, frame, section, start, end, written, clearing, rooms, locals, outgoing, error, ..
        } = self;
        asm.bind(end);
        clearing.put(asm);
        CallableFrame::leave(asm, written);
        let too_large = frame.set(asm, written, locals, outgoing).err();
        for (section, at) in rooms {
            let mut code = vec![];
            clearing.put(&mut code);
            padding::nops(CLEARING - code.len()).for_each(|nop| code.extend_from_slice(nop));
            asm.switch_to(section);
            asm.patch(at, &code);
        }
        asm.switch_to(section);
        let error = error.or(too_large.map(|bytes| CFunctionError::TooLarge { bytes }));
        asm.end_function(start, error.as_ref().map(ToString::to_string));
        error.map_or(Ok(()), Err)
    }

    /// A new label, not yet bound.
    pub(super) fn label(&mut self) -> Label {
        self.asm.label()
    }

    /// The patchable target that was emitted last.
    pub(super) fn last_patch_point(&self) -> Option<PatchPoint> {
        self.asm.last_patch_point()
    }

    /// Bind a label here.
    pub(super) fn bind(&mut self, label: Label) {
        self.before();
        self.asm.bind(label);
        self.loops = true;
        let bound = self.ways.bind(label, self.asm.offset());
        self.expect(bound);
    }

    /// Emit a template without value holes.
    pub(super) fn emit_template(&mut self, template: &'static Template) {
        self.before();
        self.note(template);
        self.asm.emit(template);
    }

    /// Go to the cold section; the result goes back by [`Body::come_back`].
    pub(super) fn go_cold(&mut self) -> Aside {
        self.read_last();
        let section = self.asm.section();
        self.asm.switch_to(Section::Cold);
        Aside { section, returning: core::mem::take(&mut self.returning), here: self.ways.step_aside() }
    }

    /// Go on in the section from where the body went to the cold one.
    pub(super) fn come_back(&mut self, Aside { section, returning, here }: Aside) {
        self.before();
        self.asm.switch_to(section);
        self.returning = returning;
        self.ways.come_back(here);
    }

    /// Count registers as written.
    pub(super) fn clobbers(&mut self, registers: RegSet) {
        self.written = self.written.union(registers);
    }

    /// Have calls in templates write these of the registers that belong to the caller.
    pub(super) fn calls_write(&mut self, registers: RegSet) {
        self.calls_write = registers;
    }

    /// What has to be cleared in front of a call: at once, or at the end when more may be known.
    fn clear_before_call(&mut self) {
        if self.loops {
            self.rooms.push((self.asm.section(), self.asm.offset()));
            x64!(self.asm => nop; nop; nop; nop);
        } else {
            self.clearing.put(self.asm);
        }
    }

    /// To be done before anything is emitted.
    #[inline]
    fn before(&mut self) {
        self.read_last();
        if core::mem::take(&mut self.returning) {
            x64!(self.asm => jmp {self.end});
            self.ways.leave();
        }
    }

    /// Count what a template writes by the registers chosen at emission, which stand in its bytes now.
    fn read_last(&mut self) {
        let Some((at, template)) = self.unread.take() else { return };
        let start = at.0 as usize;
        // Nothing is there when the section became too long, which sealing reports.
        let Some(bytes) = self.asm.emitted().get(start..start + template.bytes.len()) else { return };
        let chosen = template.holes.iter().filter_map(|hole| chosen_register(hole, bytes, template.bytes));
        let chosen = chosen.fold(RegSet::EMPTY, RegSet::with);
        self.note_written(chosen, template);
        if chosen.contains(Gpr::Rsp) {
            self.fail(CFunctionError::MovesRsp { template: first_line(template) });
        }
    }

    /// Count what a template does.
    fn note(&mut self, template: &'static Template) {
        let effects = &template.effects;
        self.note_written(effects.writes, template);
        if effects.calls {
            self.written = self.written.union(self.calls_write);
        }
        if let Some(at) = effects.called_at {
            self.expect_aligned(at, template);
        }
        self.clearing.vectors |= effects.ymm;
        self.clearing.direction |= effects.writes_flags.0 & Flags::D.0 != 0;
        let told = self.ways.template(template, self.asm.offset());
        self.expect(told);
    }

    /// What is here is reached with rsp where the body began.
    fn expect_unmoved(&mut self) {
        let (by, at) = (self.ways.moved(), self.asm.offset());
        if by != 0 {
            self.fail(CFunctionError::StackMoved { by, at });
        }
    }

    /// The template calls with rsp as it was at the beginning of the body, which is aligned, or sixteen bytes off.
    fn expect_aligned(&mut self, called_at: StackMove, template: &'static Template) {
        let at_call = StackMove::By(self.ways.moved()).then(called_at);
        if !matches!(at_call, StackMove::By(by) if by % 16 == 0) {
            self.fail(CFunctionError::MisalignedCall { template: first_line(template) });
        }
    }

    fn note_written(&mut self, registers: RegSet, template: &'static Template) {
        self.written = self.written.union(registers);
        if registers.contains(Gpr::Rbp) {
            self.fail(CFunctionError::WritesRbp { template: first_line(template) });
        }
    }

    #[inline]
    fn expect(&mut self, told: Result<(), CFunctionError>) {
        if let Err(error) = told {
            self.fail(error);
        }
    }

    /// Keep the first error.
    fn fail(&mut self, error: CFunctionError) {
        self.error.get_or_insert(error);
    }
}

/// Where a body was when it went to the cold section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aside {
    section: Section,
    returning: bool,
    here: Here,
}

/// The general register that was chosen for a hole and is written.
fn chosen_register(hole: &Hole, bytes: &[u8], unfilled: &[u8]) -> Option<Gpr> {
    let HoleKind::Reg(RegField { low_at, low_shift, high, vector: false, writes: true, .. }) = hole.kind
    else {
        return None;
    };
    // Filling is exclusive or with the bytes of register 0.
    let filled = |at: u16| bytes[usize::from(at)] ^ unfilled[usize::from(at)];
    let low = filled(low_at) >> low_shift;
    match high {
        Some(high) => Gpr::new(low & 7 | (filled(high.at) >> high.bit & 1) << 3),
        None => Gpr::new(low & 15),
    }
}

/// The state that a C function leaves behind as it found it: the direction flag is clear, and upper halves of vector
/// registers are not in use (System V AMD64 ABI, 3.2.1; Intel Optimization Manual, "Mixing AVX Code with SSE Code").
#[derive(Clone, Copy, Debug, Default)]
struct Clearing {
    /// A template writes the direction flag.
    direction: bool,
    /// A template writes a ymm register.
    vectors: bool,
}

templates! {
    fn clear_direction() = x64!< cld >;
    fn clear_upper_halves() = x64!< vzeroupper >;
}

impl Clearing {
    fn put(self, sink: &mut impl Sink) {
        if self.direction {
            clear_direction(sink);
        }
        if self.vectors {
            clear_upper_halves(sink);
        }
    }
}

impl Sink for Body<'_> {
    /// Of bytes without a template nothing is known: they may write everything. That they call with the stack aligned
    /// and in the state of [`Clearing`], and do not move rsp, is their writer's affair.
    #[inline]
    fn put_piece<const N: usize>(&mut self, bytes: &[u8; N]) -> &mut [u8; N] {
        self.before();
        self.clobbers(CALLER_OWNED_SET);
        self.clearing = Clearing { direction: true, vectors: self.asm.features().contains(Features::AVX) };
        let told = self.ways.piece(bytes, self.asm.offset());
        self.expect(told);
        self.asm.put_piece(bytes)
    }

    #[inline]
    fn put_template<const N: usize>(&mut self, bytes: &[u8; N], template: &'static Template) -> &mut [u8; N] {
        self.before();
        self.note(template);
        if !template.holes.is_empty() {
            self.unread = Some((self.asm.offset(), template));
        }
        self.asm.put_template(bytes, template)
    }

    fn note_data(&mut self, ahead: u32, len: u32) {
        self.before();
        self.asm.note_data(ahead, len);
    }
}

impl AlignSink for Body<'_> {
    fn align(&mut self, to: u32, ahead: u32) {
        self.before();
        self.asm.align(to, ahead);
    }

    fn note_patchable(&mut self, ahead: u32) {
        self.before();
        self.asm.note_patchable(ahead);
    }
}

impl LinkSink<Label> for Body<'_> {
    #[inline]
    fn link_rel32(&mut self, field: Field, label: Label) -> [u8; 4] {
        self.before();
        self.ways.link(field, label);
        self.asm.link_rel32(field, label)
    }
}

impl LinkSink<Function> for Body<'_> {
    fn link_rel32(&mut self, field: Field, to: Function) -> [u8; 4] {
        self.before();
        self.asm.link_rel32(field, to)
    }
}

impl LinkSink<Constant> for Body<'_> {
    fn link_rel32(&mut self, field: Field, constant: Constant) -> [u8; 4] {
        self.before();
        self.asm.link_rel32(field, constant)
    }
}
