//! The writable state: emission, labels, sections.

use super::error::StitchError;
use super::label::{CodePtr, Function, Label, LabelState, Position, Section};
use super::listing::{Mark, Note};
use super::section::Buffer;
use jit_asm::{Field, LinkSink, Sink, Template};

/// A field whose distance waits for the final places of both ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crossing {
    pub(super) field: Position,
    /// Bytes of the instruction behind the field.
    pub(super) tail: u32,
    pub(super) to: CrossTo,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum CrossTo {
    At(Position),
    Label(Label),
}

/// A field that reaches out of the code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relocation {
    pub(super) field: Position,
    pub(super) tail: u32,
    pub(super) to: Function,
}

/// Code under construction. See the module for how it works.
///
/// ```
/// use jit_runtime::{stitch::Assembler, x64};
/// let mut asm = Assembler::new();
/// let (again, n) = (asm.label(), 10);
/// x64!(asm => mov ecx, {n}; xor eax, eax);
/// asm.bind(again);
/// x64!(asm => add rax, rcx; dec rcx; jnz {again}; ret);
/// assert!(asm.seal().is_ok());
/// ```
#[derive(Debug, Default)]
pub struct Assembler {
    /// The section being written; `resting` is the other one. Swapped when the client switches, so that
    /// emission never asks which.
    active: Buffer,
    resting: Buffer,
    /// Where `active` begins.
    origin: Position,
    keeps_notes: bool,
    labels: Vec<LabelState>,
    pub(super) crossings: Vec<Crossing>,
    pub(super) relocations: Vec<Relocation>,
    pub(super) notes: Vec<(Position, Note)>,
    error: Option<StitchError>,
}

impl Assembler {
    /// An empty assembler that writes to the hot section.
    #[must_use]
    pub fn new() -> Assembler {
        Assembler::default()
    }

    /// An empty assembler that keeps a [`super::Listing`] of what is emitted where.
    #[must_use]
    pub fn with_listing() -> Assembler {
        Assembler { keeps_notes: true, ..Assembler::default() }
    }

    /// Forget everything emitted, every label and every error; keep the memory.
    pub fn clear(&mut self) {
        self.switch_to(Section::Hot);
        self.active.clear();
        self.resting.clear();
        self.labels.clear();
        self.crossings.clear();
        self.relocations.clear();
        self.notes.clear();
        self.error = None;
    }

    /// A new label, not yet bound.
    #[inline]
    pub fn label(&mut self) -> Label {
        let label = Label(self.labels.len() as u32);
        self.labels.push(LabelState::UNUSED);
        label
    }

    /// `N` new labels.
    #[inline]
    pub fn labels<const N: usize>(&mut self) -> [Label; N] {
        let first = self.labels.len() as u32;
        self.labels.extend_from_slice(&[LabelState::UNUSED; N]);
        std::array::from_fn(|n| Label(first + n as u32))
    }

    /// A new label, bound here.
    pub fn bound_label(&mut self) -> Label {
        let label = self.label();
        self.bind(label);
        label
    }

    /// Bind `label` here, and aim every jump that waits for it.
    #[inline]
    pub fn bind(&mut self, label: Label) {
        let (here, start) = (self.here(), self.origin);
        let Some(state) = self.labels.get_mut(label.0 as usize) else {
            return self.fail(StitchError::UnknownLabel { label });
        };
        let mut chain = std::mem::replace(state, LabelState::bound(here));
        while let Some(waiting) = chain.head() {
            let word = match self.active.field(waiting.offset_from(start)) {
                Some(field) => std::mem::replace(field, waiting.distance(here).to_le_bytes()),
                None => self.cross_back(waiting, here),
            };
            chain = LabelState(u32::from_le_bytes(word));
        }
        if chain.is_bound() {
            self.fail(StitchError::BoundTwice { label });
        }
    }

    /// Whether `label` is bound.
    #[must_use]
    pub fn is_bound(&self, label: Label) -> bool {
        self.labels.get(label.0 as usize).is_some_and(|state| state.is_bound())
    }

    /// Write to the other section from here on.
    pub fn switch_to(&mut self, section: Section) {
        if section != self.section() {
            std::mem::swap(&mut self.active, &mut self.resting);
            self.origin = Position::start(section);
        }
    }

    /// Emit `body` to the cold section, then go on where the assembler was.
    pub fn cold<R>(&mut self, body: impl FnOnce(&mut Assembler) -> R) -> R {
        let was = self.section();
        self.switch_to(Section::Cold);
        let result = body(self);
        self.switch_to(was);
        result
    }

    /// The section being written.
    #[must_use]
    pub fn section(&self) -> Section {
        self.origin.section()
    }

    /// Bytes emitted so far to the section being written.
    #[must_use]
    pub fn offset(&self) -> CodePtr {
        CodePtr(self.active.len())
    }

    /// Emit a template without value holes.
    pub fn emit(&mut self, template: &'static Template) {
        if !self.active.has_room(template.bytes.len()) {
            self.make_room(template.bytes.len());
        }
        self.active.extend(template.bytes);
        self.note_template(template);
    }

    /// Rewrite four bytes at `at`, an offset in the section being written: a field whose value was not
    /// known when it was emitted, such as the size of a frame.
    pub fn patch_i32(&mut self, at: CodePtr, value: i32) {
        if at.0 > self.active.len().saturating_sub(4) || self.active.len() < 4 {
            return self.fail(StitchError::PatchOutside { at, len: 4 });
        }
        self.active.set_word(at.0, value as u32);
    }

    /// Put a number into the listing here. Free of cost when no listing is kept.
    #[inline(always)]
    pub fn mark(&mut self, mark: Mark) {
        if self.keeps_notes {
            self.notes.push((self.here(), Note::Mark(mark)));
        }
    }

    /// The first thing that went wrong, which sealing reports; nothing is left of it.
    pub(super) fn take_error(&mut self) -> Option<StitchError> {
        self.error.take()
    }

    pub(super) fn hot_and_cold(&mut self) -> (&mut Buffer, &mut Buffer) {
        self.switch_to(Section::Hot);
        (&mut self.active, &mut self.resting)
    }

    /// The bytes of the section being written: of sealed code, all of them.
    pub(super) fn hot_bytes(&self) -> &[u8] {
        self.active.bytes()
    }

    pub(super) fn keeps_notes(&self) -> bool {
        self.keeps_notes
    }

    pub(super) fn label_states(&self) -> &[LabelState] {
        &self.labels
    }

    pub(super) fn position_of(&self, label: Label) -> Option<Position> {
        self.labels.get(label.0 as usize)?.position()
    }

    #[inline(always)]
    fn here(&self) -> Position {
        self.position(self.active.len())
    }

    /// A place in the section being written.
    #[inline(always)]
    fn position(&self, offset: u32) -> Position {
        self.origin.plus(offset)
    }

    /// A field in the other section waits for a label that is bound `here`. Its distance is written when
    /// the code is sealed; until then it held the word that is returned.
    #[cold]
    #[inline(never)]
    fn cross_back(&mut self, field: Position, here: Position) -> [u8; 4] {
        self.crossings.push(Crossing { field, tail: 0, to: CrossTo::At(here) });
        let field = self.resting.field(field.offset()).expect("a field lies inside its section");
        std::mem::take(field)
    }

    /// Link a field to a label when a chain of fields is not the way to do it.
    #[inline(never)]
    fn link_apart(&mut self, field: Position, tail: u32, label: Label) -> u32 {
        match self.labels.get(label.0 as usize).map(|state| state.position()) {
            None => self.fail(StitchError::UnknownLabel { label }),
            Some(Some(to)) if tail == 0 && field.beside(to) => return field.distance(to),
            Some(Some(to)) => self.crossings.push(Crossing { field, tail, to: CrossTo::At(to) }),
            // A chain has no room for the tail: that of a rip-relative operand before an immediate.
            Some(None) => self.crossings.push(Crossing { field, tail, to: CrossTo::Label(label) }),
        }
        0
    }

    /// Make room in the section being written. When it would pass its limit, start over with an empty
    /// one and the error kept: nothing that waits may point to what is no longer there.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self, more: usize) {
        if self.active.grow(more).is_err() {
            self.fail(StitchError::TooLong);
            self.active.clear();
            self.resting.clear();
            self.labels.fill(LabelState::UNUSED);
            self.crossings.clear();
            self.relocations.clear();
            self.notes.clear();
        }
    }

    #[cold]
    #[inline(never)]
    fn put_piece_anew<const N: usize>(&mut self, bytes: &[u8; N]) -> &mut [u8; N] {
        self.make_room(N);
        self.active.put_piece(bytes)
    }

    #[cold]
    #[inline(never)]
    fn keep_note(&mut self, template: &'static Template) {
        let at = self.position(self.active.len().saturating_sub(template.bytes.len() as u32));
        self.notes.push((at, Note::Template(template)));
    }

    #[cold]
    #[inline(never)]
    fn fail(&mut self, error: StitchError) {
        self.error.get_or_insert(error);
    }
}

impl Sink for Assembler {
    #[inline(always)]
    fn put_piece<const N: usize>(&mut self, bytes: &[u8; N]) -> &mut [u8; N] {
        if self.active.has_room(N) { self.active.put_piece(bytes) } else { self.put_piece_anew(bytes) }
    }

    #[inline(always)]
    fn note_template(&mut self, template: &'static Template) {
        if self.keeps_notes {
            self.keep_note(template);
        }
    }
}

impl LinkSink<Label> for Assembler {
    #[inline(always)]
    fn link_rel32(&mut self, field: Field, label: Label) -> [u8; 4] {
        let at = self.position(self.active.len() + field.ahead);
        let word = match self.labels.get_mut(label.0 as usize) {
            Some(state) if field.tail == 0 && !state.is_bound() => {
                std::mem::replace(state, LabelState::waiting(at)).0
            }
            _ => self.link_apart(at, field.tail, label),
        };
        word.to_le_bytes()
    }
}

impl LinkSink<Function> for Assembler {
    fn link_rel32(&mut self, field: Field, to: Function) -> [u8; 4] {
        let at = self.position(self.active.len() + field.ahead);
        self.relocations.push(Relocation { field: at, tail: field.tail, to });
        [0; 4]
    }
}
