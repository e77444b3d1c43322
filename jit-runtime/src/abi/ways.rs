//! Where rsp is on the ways through a body.
//!
//! A template says how it moves rsp, and that goes on to what stands behind it, if that runs next, and to the labels
//! that it jumps to. A label has one place for rsp: that of the first way to it. Every other way, and what is bound
//! there, has to agree. What follows a jump is reached by a label only, and takes the place from it.

use super::error::CFunctionError;
use crate::stitch::{CodePtr, Label};
use jit_asm::template::{StackMove, Template};
use jit_asm::{Field, Gpr};
use std::collections::BTreeMap;

/// The first bytes of `push rbp` and of both returns, which no other instruction begins with.
const PUSH_RBP: u8 = 0x55;
const RETURNS: [u8; 2] = [0xC2, 0xC3];

/// What an instruction does with a label, by the byte in front of the distance.
enum Use {
    Jump,
    Call,
    /// It takes the address, or reads or writes there: where rsp will be then is not known.
    Address,
}

impl Use {
    fn of(bytes: &[u8], ahead: u32) -> Use {
        match (ahead as usize).checked_sub(1).and_then(|at| bytes.get(at)) {
            Some(0xE8) => Use::Call,
            Some(0xE9 | 0x80..0x90) => Use::Jump,
            _ => Use::Address,
        }
    }
}

/// What is known of a label.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// How far rsp has moved there: by the first way to it, or where it is bound.
    moved: Option<i32>,
    /// Another way says this.
    differs: Option<i32>,
    called: bool,
    bound: bool,
}

/// Where rsp is, and where it is at labels. Distances count from where it is when the body begins.
#[derive(Debug)]
pub(super) struct Ways {
    moved: i32,
    /// Whether what is emitted next can be reached from in front of it.
    reached: bool,
    labels: BTreeMap<Label, Known>,
    /// Labels that the template which comes next uses, and where their fields are in it.
    links: Vec<(Label, u32)>,
}

/// The place of rsp while other code is emitted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Here {
    moved: i32,
    reached: bool,
}

impl Ways {
    pub(super) fn begin() -> Ways {
        Ways { moved: 0, reached: true, labels: BTreeMap::new(), links: vec![] }
    }

    /// How far rsp has moved, for a way that gets here.
    pub(super) fn moved(&self) -> i32 {
        if self.reached { self.moved } else { 0 }
    }

    /// A jump elsewhere was emitted.
    pub(super) fn leave(&mut self) {
        self.reached = false;
    }

    /// Other code follows, which is reached by its labels.
    pub(super) fn step_aside(&mut self) -> Here {
        let here = Here { moved: self.moved, reached: self.reached };
        self.reached = false;
        here
    }

    pub(super) fn come_back(&mut self, Here { moved, reached }: Here) {
        (self.moved, self.reached) = (moved, reached);
    }

    /// The template that comes next has a distance to `label`.
    pub(super) fn link(&mut self, field: Field, label: Label) {
        self.links.push((label, field.ahead));
    }

    /// Bytes of which nothing is known but the labels in them.
    pub(super) fn piece(&mut self, bytes: &[u8], at: CodePtr) -> Result<(), CFunctionError> {
        self.reached = true;
        self.use_labels(bytes, at)
    }

    /// A template at `at`.
    #[inline]
    pub(super) fn template(
        &mut self,
        template: &'static Template,
        at: CodePtr,
    ) -> Result<(), CFunctionError> {
        let effects = &template.effects;
        if effects.writes.contains(Gpr::Rsp) {
            self.move_by(template)?;
        }
        self.reached = effects.falls_through;
        if self.links.is_empty() { Ok(()) } else { self.use_labels(template.bytes, at) }
    }

    fn move_by(&mut self, template: &'static Template) -> Result<(), CFunctionError> {
        let effects = &template.effects;
        let first = super::error::first_line(template);
        if begins_with(template, &RETURNS) {
            return Err(CFunctionError::MovesRsp { template: first });
        }
        if begins_with(template, &[PUSH_RBP]) {
            return Err(CFunctionError::PushesRbp { template: first });
        }
        let (by, highest) = match (effects.stack, effects.highest) {
            (StackMove::By(by), StackMove::By(highest)) => (by, highest),
            // What ends in a trap has no way out to say it of.
            (StackMove::Unknown, StackMove::By(highest)) if !effects.falls_through && !effects.jumps => {
                (0, highest)
            }
            _ => return Err(CFunctionError::MovesRsp { template: first }),
        };
        let highest = self.moved.saturating_add(highest);
        self.moved = self.moved.saturating_add(by);
        if highest > 0 {
            return Err(CFunctionError::AboveBody { template: first, by: highest });
        }
        Ok(())
    }

    /// Note where rsp is when the labels of what was just told are reached from it: all ways out of a template that
    /// is not refused agree.
    #[inline(never)]
    fn use_labels(&mut self, bytes: &[u8], at: CodePtr) -> Result<(), CFunctionError> {
        let mut result = Ok(());
        for n in 0..self.links.len() {
            let (label, ahead) = self.links[n];
            let used = match Use::of(bytes, ahead) {
                Use::Jump => self.jump(label, at),
                Use::Call => self.call(label),
                Use::Address => Ok(()),
            };
            result = result.and(used);
        }
        self.links.clear();
        result
    }

    fn jump(&mut self, label: Label, at: CodePtr) -> Result<(), CFunctionError> {
        let moved = self.moved;
        let known = self.labels.entry(label).or_default();
        match known.moved {
            None => known.moved = Some(moved),
            Some(one) if one == moved => {}
            Some(one) if known.bound => return Err(CFunctionError::WaysDiffer { at, one, other: moved }),
            // It may be bound outside of the body, where it says nothing.
            Some(_) => known.differs = Some(moved),
        }
        Ok(())
    }

    fn call(&mut self, label: Label) -> Result<(), CFunctionError> {
        let known = self.labels.entry(label).or_default();
        known.called = true;
        if known.bound { Err(CFunctionError::CallsLabel { label }) } else { Ok(()) }
    }

    /// `label` is bound at `at`.
    pub(super) fn bind(&mut self, label: Label, at: CodePtr) -> Result<(), CFunctionError> {
        let known = self.labels.entry(label).or_default();
        let one = match known.moved {
            Some(one) if !self.reached => {
                self.moved = one;
                one
            }
            one => one.unwrap_or(self.moved),
        };
        self.reached = true;
        (known.moved, known.bound) = (Some(self.moved), true);
        if known.called {
            return Err(CFunctionError::CallsLabel { label });
        }
        let other = known.differs.unwrap_or(self.moved);
        if one == other { Ok(()) } else { Err(CFunctionError::WaysDiffer { at, one, other }) }
    }
}

/// Whether an instruction of the template begins with one of these bytes.
fn begins_with(template: &Template, first: &[u8]) -> bool {
    let is_data = |at: u16| template.data.iter().any(|data| (data.start..data.end).contains(&at));
    template.lines.iter().any(|line| {
        let byte = template.bytes.get(usize::from(line.at));
        byte.is_some_and(|byte| first.contains(byte)) && !is_data(line.at)
    })
}
