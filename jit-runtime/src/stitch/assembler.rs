//! The writable state: emission, labels, sections.

use super::aside::{Aside, Relocation, Waiting};
use super::constant::{Constant, ConstantUse};
use super::error::StitchError;
use super::label::{CodePtr, Function, Label, Position, Section};
use super::patch::PatchPoint;
use super::positions::SourcePosition;
use super::processor::detected_features;
use super::section::{ALIGNMENT, Buffer};
use crate::memory::Keep;
use jit_asm::{AlignSink, Features, Field, LinkSink, Sink, Template, padding};
use std::panic::AssertUnwindSafe;

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
#[derive(Debug)]
pub struct Assembler {
    /// The section being written; [`Aside::resting`] is the other one. Swapped when the client switches, so that
    /// emission never asks which.
    active: Buffer,
    section: Section,
    keeps_notes: bool,
    /// What templates may need.
    features: Features,
    /// A label was not what it should be. Kept apart from other errors, so that emission need not call anybody to
    /// note it.
    slip: Option<Slip>,
    pub(super) aside: Box<Aside>,
}

#[derive(Clone, Copy, Debug)]
enum Slip {
    Unknown(Label),
    BoundTwice(Label),
    Beyond(&'static Template, Features),
}

impl Default for Assembler {
    fn default() -> Assembler {
        Assembler {
            active: Buffer::default(),
            section: Section::Hot,
            keeps_notes: false,
            features: detected_features(),
            slip: None,
            aside: Box::default(),
        }
    }
}

impl Assembler {
    /// An empty assembler that writes to the hot section, for this processor.
    #[must_use]
    pub fn new() -> Assembler {
        Assembler::default()
    }

    /// An empty assembler that keeps a [`super::Listing`] of what is emitted where.
    #[must_use]
    pub fn with_listing() -> Assembler {
        let mut assembler = Assembler { keeps_notes: true, active: Buffer::exact(), ..Assembler::default() };
        assembler.aside.resting = Buffer::exact();
        assembler
    }

    /// Take templates that need `features` from here on, and no others: those of the processor that will run the
    /// code. An assembler begins with [`detected_features`]. What every x86-64 has is always taken.
    pub fn set_features(&mut self, features: Features) {
        self.features = features;
    }

    /// The extensions that templates may need.
    #[must_use]
    pub fn features(&self) -> Features {
        self.features
    }

    /// Forget everything emitted, every label and every error; keep the memory and the features.
    pub fn clear(&mut self) {
        self.hot_and_cold();
        self.active.clear();
        self.aside.clear();
        self.slip = None;
    }

    /// A new label, not yet bound.
    #[inline]
    pub fn label(&mut self) -> Label {
        Label(self.active.add_labels::<1>())
    }

    /// `N` new labels.
    #[inline]
    pub fn labels<const N: usize>(&mut self) -> [Label; N] {
        let first = self.active.add_labels::<N>();
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
        self.bind_run(label.0, 1);
    }

    /// Bind all of `labels` here: one label after the other, but cheaper when they were made together.
    #[inline(always)]
    pub fn bind_all<const N: usize>(&mut self, labels: [Label; N]) {
        let Some(&Label(first)) = labels.first() else { return };
        if labels.iter().zip(first..).all(|(label, number)| label.0 == number) {
            self.bind_run(first, N);
        } else {
            labels.into_iter().for_each(|label| self.bind(label));
        }
    }

    #[inline(always)]
    fn bind_run(&mut self, first: u32, count: usize) {
        if let Err(number) = self.active.bind(first, count) {
            let label = Label(number);
            let known = self.knows(label);
            self.slip(if known { Slip::BoundTwice(label) } else { Slip::Unknown(label) });
        }
    }

    /// Whether `label` is bound.
    #[must_use]
    pub fn is_bound(&self, label: Label) -> bool {
        [&self.active, &self.aside.resting].iter().any(|buffer| buffer.bound_at(label.0).is_some())
    }

    /// Write to the other section from here on, for the same position.
    pub fn switch_to(&mut self, section: Section) {
        if section != self.section {
            self.swap_sections();
            if let Some(marks) = &mut self.aside.marks {
                marks.go_on(section, self.active.len());
            }
        }
    }

    #[inline]
    fn swap_sections(&mut self) {
        self.aside.resting.learn_labels(self.active.labels());
        std::mem::swap(&mut self.active, &mut self.aside.resting);
        self.section = match self.section {
            Section::Hot => Section::Cold,
            Section::Cold => Section::Hot,
        };
    }

    /// Emit `body` to the cold section, then go on where the assembler was, for the position that it had.
    pub fn cold<R>(&mut self, body: impl FnOnce(&mut Assembler) -> R) -> R {
        let (was, position) = (self.section(), self.aside.marks.as_ref().and_then(|marks| marks.current()));
        self.switch_to(Section::Cold);
        let result = body(self);
        self.return_to(was, position);
        result
    }

    fn return_to(&mut self, section: Section, position: Option<SourcePosition>) {
        if section != self.section {
            self.swap_sections();
        }
        if let Some(marks) = &mut self.aside.marks {
            marks.mark(section, self.active.len(), position);
        }
    }

    /// The section being written.
    #[must_use]
    pub fn section(&self) -> Section {
        self.section
    }

    /// Bytes emitted so far to the section being written.
    #[must_use]
    pub fn offset(&self) -> CodePtr {
        CodePtr(self.active.len())
    }

    /// Emit a template without value holes.
    pub fn emit(&mut self, template: &'static Template) {
        self.demand(template);
        if template.align > 1 {
            self.align(template.align.into(), 0);
        }
        for range in template.data {
            self.note_data(range.start.into(), (range.end - range.start).into());
        }
        if !self.active.has_room(template.bytes.len()) {
            self.make_room(template.bytes.len());
        }
        if self.keeps_notes {
            self.keep_note(template);
        }
        self.active.extend(template.bytes);
    }

    /// Rewrite four bytes at `at`, an offset in the section being written: a field whose value was not
    /// known when it was emitted, such as the size of a frame.
    pub fn patch_i32(&mut self, at: CodePtr, value: i32) {
        self.patch(at, &value.to_le_bytes());
    }

    /// Rewrite bytes at `at`, an offset in the section being written: instructions that were not known when
    /// room was left for them. No field that waits for a label may be among them.
    pub fn patch(&mut self, at: CodePtr, bytes: &[u8]) {
        self.patch_in(self.section, at, bytes);
    }

    /// [`Assembler::patch`] of a section, whichever is being written.
    pub(crate) fn patch_in(&mut self, section: Section, at: CodePtr, bytes: &[u8]) {
        let start = at.0 as usize;
        let buffer = if section == self.section { &mut self.active } else { &mut self.aside.resting };
        match buffer.bytes_mut().get_mut(start..start + bytes.len()) {
            Some(place) => place.copy_from_slice(bytes),
            None => self.fail(StitchError::PatchOutside { at, len: bytes.len() }),
        }
    }

    /// What has been emitted to the section being written. Fields that wait for a label hold something else yet.
    #[must_use]
    pub fn emitted(&self) -> &[u8] {
        self.active.bytes()
    }

    /// Keep something that the code refers to alive as long as the code: until the last [`super::Code`] is dropped.
    pub fn keep(&mut self, kept: Keep) {
        self.aside.kept.push(AssertUnwindSafe(kept));
    }

    /// The patchable target that was emitted last: `call {f: patchable}`. Published code re-targets it by this
    /// name ([`super::Code::retarget`]).
    #[must_use]
    pub fn last_patch_point(&self) -> Option<PatchPoint> {
        self.aside.patchable.len().checked_sub(1).map(|last| PatchPoint(last as u32))
    }

    /// From here on code belongs to this position of the client's program: see [`super::Positions`].
    #[inline]
    pub fn mark(&mut self, position: SourcePosition) {
        let (section, at) = (self.section, self.active.len());
        self.aside.marks.get_or_insert_default().mark(section, at, Some(position));
    }

    /// From here on code belongs to no position: what several share, for instance.
    pub fn unmark(&mut self) {
        if let Some(marks) = &mut self.aside.marks {
            marks.mark(self.section, self.active.len(), None);
        }
    }

    /// What observers of the heap are to call this code. Nothing is paid for it but the copy.
    pub fn set_name(&mut self, name: &str) {
        self.aside.name.clear();
        self.aside.name.push_str(name);
    }

    /// The first thing that went wrong, which sealing reports; nothing is left of it.
    pub(super) fn take_error(&mut self) -> Option<StitchError> {
        let slip = self.slip.take().map(|slip| match slip {
            Slip::Unknown(label) => StitchError::UnknownLabel { label },
            Slip::BoundTwice(label) => StitchError::BoundTwice { label },
            Slip::Beyond(template, missing) => StitchError::beyond(template, missing),
        });
        let unfinished = self.aside.unfinished.first().map(|&at| StitchError::Unfinished { at });
        self.aside.error.take().or(slip).or(unfinished)
    }

    pub(super) fn hot_and_cold(&mut self) -> (&mut Buffer, &mut Buffer) {
        if self.section != Section::Hot {
            self.swap_sections();
        }
        (&mut self.active, &mut self.aside.resting)
    }

    /// The same to look at, of an assembler that writes to the hot section.
    pub(super) fn sections(&self) -> (&Buffer, &Buffer) {
        (&self.active, &self.aside.resting)
    }

    /// Whether `label` is one of this assembler's.
    pub(super) fn knows(&self, label: Label) -> bool {
        (label.0 as usize) < self.active.labels()
    }

    /// The bytes of the section being written: of sealed code, all of them.
    pub(super) fn hot_bytes(&self) -> &[u8] {
        self.active.bytes()
    }

    pub(super) fn keeps_notes(&self) -> bool {
        self.keeps_notes
    }

    #[inline(always)]
    fn here(&self) -> Position {
        self.position(0)
    }

    /// A place in the section being written, `ahead` of the cursor.
    #[inline(always)]
    fn position(&self, ahead: u32) -> Position {
        Position::new(self.section, self.active.len() + ahead)
    }

    /// Whether a position in the section being written is that of something emitted; of the other section, all are.
    fn is_emitted(&self, at: Position) -> bool {
        at.section() != self.section || at.offset() < self.active.len()
    }

    /// Make room in the section being written. When it would pass its limit, start over with an empty
    /// one and the error kept: nothing that waits may point to what is no longer there.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self, more: usize) {
        if self.active.grow(more).is_ok() {
            return;
        }
        self.fail(StitchError::TooLong);
        self.active.start_over();
        self.aside.start_over();
        if !self.active.has_room(more) {
            self.active.grow(more).expect("a template is shorter than a section may be");
        }
    }

    /// Of one size for all pieces, so that it is compiled once.
    #[cold]
    #[inline(never)]
    fn put_anew(&mut self, bytes: &[u8], template: Option<&'static Template>) -> &mut [u8] {
        self.make_room(bytes.len());
        if let Some(template) = template.filter(|_| self.keeps_notes) {
            self.keep_note(template);
        }
        self.active.extend(bytes)
    }

    fn keep_note(&mut self, template: &'static Template) {
        self.aside.notes.push((self.here(), template));
    }

    /// Note that `template` needs what there is not, if it does. What it needs is a constant: most need nothing,
    /// and then nothing is left of this.
    #[inline(always)]
    fn demand(&mut self, template: &'static Template) {
        let beyond = template.effects.features.difference(Features::BASELINE);
        if !beyond.is_empty() && !self.features.contains(beyond) {
            self.slip(Slip::Beyond(template, beyond.difference(self.features)));
        }
    }

    /// Keep the last slip. In line: a call would make the compiler forget where the cursor is.
    #[inline(always)]
    fn slip(&mut self, slip: Slip) {
        std::hint::cold_path();
        self.slip = Some(slip);
    }

    #[cold]
    #[inline(never)]
    pub(super) fn fail(&mut self, error: StitchError) {
        self.aside.error.get_or_insert(error);
    }
}

/// Why a slice from [`Assembler::put_anew`] is an array.
const WHOLE: &str = "all of the piece was put";

impl Sink for Assembler {
    #[inline(always)]
    fn put_piece<const N: usize>(&mut self, bytes: &[u8; N]) -> &mut [u8; N] {
        if self.active.has_room(N) {
            self.active.put_piece(bytes)
        } else {
            self.put_anew(bytes, None).try_into().expect(WHOLE)
        }
    }

    /// Whether a listing is kept is not asked here: a buffer whose assembler keeps one never has room.
    #[inline(always)]
    fn put_template<const N: usize>(&mut self, bytes: &[u8; N], template: &'static Template) -> &mut [u8; N] {
        self.demand(template);
        if self.active.has_room(N) {
            self.active.put_piece(bytes)
        } else {
            self.put_anew(bytes, Some(template)).try_into().expect(WHOLE)
        }
    }

    fn note_data(&mut self, ahead: u32, len: u32) {
        self.aside.data.push((self.position(ahead), len));
    }
}

/// Aligned in its section; sections and published code begin at a multiple of 16.
impl AlignSink for Assembler {
    fn align(&mut self, to: u32, ahead: u32) {
        if !to.is_power_of_two() || to > ALIGNMENT {
            return self.fail(StitchError::Alignment { to });
        }
        let count = padding::padding(self.active.len() as usize, to, ahead);
        if !self.active.has_room(count) {
            self.make_room(count);
        }
        padding::nops(count).for_each(|nop| {
            self.active.extend(nop);
        });
        self.active.rely_on_alignment();
    }

    fn note_patchable(&mut self, ahead: u32) {
        self.aside.patchable.push(self.position(ahead));
        self.active.rely_on_alignment();
    }
}

impl LinkSink<Label> for Assembler {
    #[inline(always)]
    fn link_rel32(&mut self, field: Field, label: Label) -> [u8; 4] {
        if field.tail != 0 {
            self.aside.waiting.push(Waiting {
                field: self.position(field.ahead),
                tail: field.tail,
                to: label,
            });
            return [0; 4];
        }
        match self.active.link(label.0, field.ahead) {
            Some(word) => word.to_le_bytes(),
            None => {
                self.slip(Slip::Unknown(label));
                [0; 4]
            }
        }
    }
}

impl LinkSink<Function> for Assembler {
    fn link_rel32(&mut self, field: Field, to: Function) -> [u8; 4] {
        let place = self.position(field.ahead);
        // Patch points of what is emitted next were noted last.
        let recent = self.aside.patchable.iter().rev().take_while(|p| !self.is_emitted(**p));
        let patch_point = recent.zip(1..).find_map(|(point, back)| {
            (*point == place).then(|| PatchPoint((self.aside.patchable.len() - back) as u32))
        });
        self.aside.relocations.push(Relocation { field: place, tail: field.tail, to, patch_point });
        [0; 4]
    }
}

impl LinkSink<Constant> for Assembler {
    fn link_rel32(&mut self, field: Field, constant: Constant) -> [u8; 4] {
        if !constant.serves(field.width) {
            let used_at = CodePtr(self.active.len() + field.ahead);
            self.fail(StitchError::ConstantWidth { used_at, reads: field.width, constant });
        }
        self.aside.constants.push(ConstantUse {
            field: self.position(field.ahead),
            tail: field.tail,
            constant,
        });
        [0; 4]
    }
}
