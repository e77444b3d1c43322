//! The sealed state: sections joined, distances final, ready to be placed.

use super::about::About;
use super::aside::Relocation;
use super::assembler::Assembler;
use super::code::Code;
use super::constant::Pool;
use super::error::StitchError;
use super::label::{CodePtr, Function, Label, LabelState, Position};
use super::listing::Listing;
use super::patch::{self, PatchPoint, PatchPoints, SLOT, STONE};
use super::section::{ALIGNMENT, Buffer};
use crate::memory::{CodeHeap, POISON};
use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

/// Finished code that has no address yet. Made by [`Assembler::seal`].
#[derive(Debug)]
pub struct Sealed {
    /// Its hot buffer holds both sections, room for the veneers, and the constants.
    assembler: Assembler,
    cold_at: u32,
    /// Where the cold section ends.
    cold_end: u32,
    /// Where the constants start.
    code_len: u32,
    len: u32,
    /// Where each function that is called has its veneer, a stepping stone, should it be out of reach.
    veneers: Vec<(Function, u32)>,
    /// Where there is data among the code: of templates, and the targets of stepping stones. In order.
    data: Vec<Range<usize>>,
    patch_points: Option<Arc<PatchPoints>>,
}

impl Assembler {
    /// End emission: settle both sections and check that every label that is used is bound.
    ///
    /// # Errors
    /// The first thing that went wrong while emitting, or a jump to a label that was never bound.
    pub fn seal(mut self) -> Result<Sealed, StitchError> {
        match self.take_error() {
            Some(error) => Err(error),
            None => Sealed::settle(self),
        }
    }
}

impl Sealed {
    fn settle(mut assembler: Assembler) -> Result<Sealed, StitchError> {
        let (hot, cold) = assembler.hot_and_cold();
        if cold.is_aligned() {
            hot.pad_to(hot.len().next_multiple_of(ALIGNMENT));
        }
        let cold_at = hot.len();
        join_labels(hot, cold)?;
        hot.append(cold);
        let cold_end = hot.len();
        let veneers = settle_veneers(&assembler.aside.relocations, cold_end);
        let end = veneers.last().map_or(cold_end, |&(_, at)| at + STONE);
        let patch_points = settle_patch_points(&assembler.aside.patchable, cold_at, end);
        let end = patch_points.as_ref().map_or(end as usize, PatchPoints::end);
        let pool = Pool::behind(end, &assembler.aside.constants);
        let len = u32::try_from(pool.end()).ok().filter(|&len| len <= Position::WHOLE);
        let (len, code_len) = (len.ok_or(StitchError::TooLong)?, pool.start() as u32);
        assembler.hot_and_cold().0.pad_to(len);
        let data = settle_data(&assembler.aside.data, cold_at);
        let mut sealed = Sealed {
            assembler,
            cold_at,
            cold_end,
            code_len,
            len,
            veneers,
            data,
            patch_points: patch_points.map(Arc::new),
        };
        sealed.put_stones();
        sealed.aim_waiting()?;
        sealed.put_constants(&pool);
        Ok(sealed)
    }

    /// Length in bytes: both sections, the room for the veneers, and the constants.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// The length of what is instructions: what stands behind are constants.
    #[must_use]
    pub fn code_len(&self) -> usize {
        self.code_len as usize
    }

    /// Where there is data among the instructions, in order: what templates put there, and the addresses by
    /// which patch points reach what is far away.
    #[must_use]
    pub fn data(&self) -> &[Range<usize>] {
        &self.data
    }

    /// Whether nothing was emitted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The code, with every distance inside it final and those out of it still zero.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.assembler.hot_bytes()
    }

    /// Where `label` was bound.
    #[must_use]
    pub fn offset_of(&self, label: Label) -> Option<CodePtr> {
        let (hot, cold) = self.assembler.sections();
        let in_cold = || Some(self.cold_at + cold.bound_at(label.0)?);
        hot.bound_at(label.0).or_else(in_cold).map(CodePtr)
    }

    /// Where the cold section starts.
    #[must_use]
    pub fn cold_start(&self) -> CodePtr {
        CodePtr(self.cold_at)
    }

    /// Place the code, link it for its address, and make it executable.
    ///
    /// # Errors
    /// The host refuses memory.
    pub fn publish(self, heap: &CodeHeap) -> Result<Code, StitchError> {
        self.publish_and_recycle(heap).0
    }

    /// [`Sealed::publish`], and the assembler back, empty, with its buffers.
    pub fn publish_and_recycle(mut self, heap: &CodeHeap) -> (Result<Code, StitchError>, Assembler) {
        let code = self.place(heap);
        (code, self.recycle())
    }

    /// Throw the code away and take the assembler back, empty, with its buffers.
    #[must_use]
    pub fn recycle(self) -> Assembler {
        let mut assembler = self.assembler;
        assembler.clear();
        assembler
    }

    fn place(&mut self, heap: &CodeHeap) -> Result<Code, StitchError> {
        let space = heap.place(self.len())?;
        let kept = std::mem::take(&mut self.assembler.aside.kept);
        self.link(space.address());
        let listing = self
            .assembler
            .keeps_notes()
            .then(|| Arc::new(Listing::settle(&self.assembler.aside.notes, self.cold_at)));
        let marks = self.assembler.aside.marks.as_mut();
        let positions = marks.and_then(|marks| marks.settle(self.cold_at..self.cold_end));
        let about = || -> Box<dyn Any> {
            let (name, code_len) = (self.assembler.aside.name.clone(), self.code_len as usize);
            Box::new(About { name, code_len, positions: positions.clone(), listing: listing.clone() })
        };
        let block = heap.publish_about(space, self.assembler.hot_bytes(), kept, about)?;
        let data = (!self.data.is_empty()).then(|| self.data.as_slice().into());
        Ok(Code {
            block,
            len: self.len,
            code_len: self.code_len,
            data,
            patch_points: self.patch_points.clone(),
            listing,
            positions,
            life: self.assembler.aside.life,
        })
    }

    /// Write the distances that no chain has written.
    fn aim_waiting(&mut self) -> Result<(), StitchError> {
        for i in 0..self.assembler.aside.waiting.len() {
            let waiting = self.assembler.aside.waiting[i];
            let field = waiting.field.settle(self.cold_at);
            let CodePtr(to) = match self.offset_of(waiting.to) {
                Some(to) => to,
                None if self.assembler.knows(waiting.to) => {
                    return Err(StitchError::UnboundLabel { label: waiting.to, used_at: field });
                }
                None => return Err(StitchError::UnknownLabel { label: waiting.to }),
            };
            let distance = to.wrapping_sub(field.0 + 4 + waiting.tail);
            self.assembler.hot_and_cold().0.set_word(field.0, distance);
        }
        Ok(())
    }

    /// Write the constants, and the distances to them.
    fn put_constants(&mut self, pool: &Pool) {
        for i in 0..self.assembler.aside.constants.len() {
            let using = self.assembler.aside.constants[i];
            let field = using.field.settle(self.cold_at).0;
            let distance = (pool.place_of(using.constant) as u32).wrapping_sub(field + 4 + using.tail);
            self.assembler.hot_and_cold().0.set_word(field, distance);
        }
        pool.write(self.assembler.hot_and_cold().0.bytes_mut());
    }

    /// Write the distances to functions for code that stands at `address`.
    fn link(&mut self, address: usize) {
        for i in 0..self.assembler.aside.relocations.len() {
            let relocation = self.assembler.aside.relocations[i];
            let field = relocation.field.settle(self.cold_at).0;
            let near = patch::distance(address, field + relocation.tail, relocation.to.0);
            let distance = near.unwrap_or_else(|| {
                let at = match relocation.patch_point {
                    Some(point) => self.stone_to(point, relocation.to),
                    None => self.veneer_of(relocation.to),
                };
                at.wrapping_sub(field + 4 + relocation.tail) as i32
            });
            self.assembler.hot_and_cold().0.set_word(field, distance as u32);
        }
    }

    /// Write the stepping stones, which lead nowhere yet: to an address that no processor has.
    fn put_stones(&mut self) {
        let Some(points) = self.patch_points.clone() else { return };
        for number in 0..points.fields.len() {
            self.put_stone(points.stone_of(PatchPoint(number as u32)), u64::from_ne_bytes([POISON; 8]));
        }
    }

    fn put_stone(&mut self, at: u32, target: u64) {
        let mut bytes = Vec::with_capacity(STONE as usize);
        patch::stone(&mut bytes, target);
        self.assembler.hot_and_cold().0.bytes_mut()[at as usize..][..bytes.len()].copy_from_slice(&bytes);
        let slot = (at + SLOT) as usize;
        let place = self.data.partition_point(|data| data.start < slot);
        if self.data.get(place).is_none_or(|data| data.start != slot) {
            self.data.insert(place, slot..slot + 8);
        }
    }

    /// Aim the stepping stone of a patch point, and tell where it is.
    fn stone_to(&mut self, point: PatchPoint, to: Function) -> u32 {
        let points = self.patch_points.as_ref().expect("there is one, so there are some");
        let at = points.stone_of(point);
        self.put_stone(at, to.0 as u64);
        at
    }

    /// Write the veneer of `to`, and tell where it is.
    fn veneer_of(&mut self, to: Function) -> u32 {
        let slot = self
            .veneers
            .binary_search_by_key(&to, |&(f, _)| f)
            .expect("settling gave a veneer to the function of each relocation");
        let at = self.veneers[slot].1;
        self.put_stone(at, to.0 as u64);
        at
    }
}

/// The patch points of both sections, their stepping stones placed behind `end`.
fn settle_patch_points(patchable: &[Position], cold_at: u32, end: u32) -> Option<PatchPoints> {
    if patchable.is_empty() {
        return None;
    }
    let fields = patchable.iter().map(|at| at.settle(cold_at).0).collect();
    Some(PatchPoints { fields, stones_at: end.next_multiple_of(STONE) })
}

/// A place behind `end` for the veneer of each function, in their order.
fn settle_veneers(relocations: &[Relocation], end: u32) -> Vec<(Function, u32)> {
    // Most code of some clients calls nobody, and sealing it is to cost nothing.
    if relocations.is_empty() {
        return vec![];
    }
    let mut functions: Vec<Function> = relocations.iter().map(|relocation| relocation.to).collect();
    functions.sort_unstable();
    functions.dedup();
    functions.into_iter().zip((end.next_multiple_of(STONE)..).step_by(STONE as usize)).collect()
}

/// The data of both sections, in the order of their places.
fn settle_data(data: &[(Position, u32)], cold_at: u32) -> Vec<Range<usize>> {
    let range = |&(at, len): &(Position, u32)| {
        let start = at.settle(cold_at).0 as usize;
        start..start + len as usize
    };
    let mut ranges: Vec<_> = data.iter().map(range).collect();
    ranges.sort_unstable_by_key(|range| range.start);
    ranges
}

/// Aim the chains that wait in one section for labels of the other, and check that every label that a jump
/// waits for is bound, and once.
fn join_labels(hot: &mut Buffer, cold: &mut Buffer) -> Result<(), StitchError> {
    let cold_at = hot.len();
    // Without cold code all is done but for mistakes. All labels are looked at, without an early end: the
    // compiler looks at many at once.
    let waiting = |states: &[LabelState]| {
        states.iter().fold(0, |waiting, state| waiting + u32::from(state.head().is_some()))
    };
    if cold.labels() == 0 && waiting(hot.label_states()) == 0 {
        return Ok(());
    }
    cold.learn_labels(hot.labels());
    for number in 0..hot.labels() {
        let label = Label(number as u32);
        let (in_hot, in_cold) = (hot.label_states()[number], cold.label_states()[number]);
        match (in_hot.offset(), in_cold.offset()) {
            (Some(_), Some(_)) => return Err(StitchError::BoundTwice { label }),
            (Some(to), None) => cold.aim(in_cold, to.wrapping_sub(cold_at)),
            (None, Some(to)) => hot.aim(in_hot, cold_at + to),
            (None, None) => {
                if let Some(field) = in_hot.head().or(in_cold.head()) {
                    return Err(StitchError::UnboundLabel { label, used_at: CodePtr(field) });
                }
            }
        }
    }
    Ok(())
}
