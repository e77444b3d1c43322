//! What JIT code and the runtime share of one thread of execution, and the walk over its frames.
#![allow(unsafe_code)]

use super::interrupt::Link;
use super::trampoline;
use core::cell::{Cell, OnceCell};
use core::marker::PhantomPinned;
use core::mem::offset_of;
use core::ops::Range;
use core::ptr;
use core::sync::atomic::AtomicU64;
use std::sync::Arc;

/// The header of a client's context: its first field, in a `#[repr(C)]` struct. While JIT code runs, r14
/// holds its address.
///
/// Between runs it may go to another thread. The bound does not change by that: where it is one of the thread's stack,
/// the thread that runs the machine next sets its own first, with [`Machine::set_bound`]. [`super::Gate::enter`] looks
/// at no bound, and polls take any number for one. With the bound of a stack that lies higher, code stops at its first
/// poll, as if its stack were used up; with that of one that lies lower, it does not stop at all and runs into the
/// guard of the stack, where the process ends.
///
/// ```
/// use jit_runtime::transition::{Machine, NativeStack};
///
/// let here = || NativeStack::of_this_thread().limit(64 << 10);
/// let machine = Machine::new(here());
/// std::thread::spawn(move || {
///     machine.set_bound(here()); // before `Gate::enter`
/// });
/// ```
#[repr(C)]
#[derive(Debug)]
pub struct Machine {
    segment: Segment,
    /// What polls compare with: `bound`, or the alarm while an interrupt is pending.
    pub(super) stack_limit: AtomicU64,
    cut: u64,
    pub(super) bound: Cell<u64>,
    /// The bound that no stack meets.
    pub(super) alarm: u64,
    /// What its interrupters hold, if it has any: they know its address.
    pub(super) link: OnceCell<Arc<Link>>,
    _stays: PhantomPinned,
}

/// One run of JIT frames, as far as it has come. Zeros are no segment.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// rsp in the trampoline that entered it.
    entry_sp: usize,
    /// rbp of the stub by which it is calling Rust; 0 while it is in none.
    exit_fp: usize,
    /// The segment outside, in the frame of the `enter` that suspended it; null for the first.
    older: *const Segment,
}

impl Segment {
    const NONE: Segment = Segment { entry_sp: 0, exit_fp: 0, older: ptr::null() };

    /// Whoever looks for frames, or suspends them, wants to know where they begin.
    #[inline]
    #[track_caller]
    fn assert_findable(&self) {
        assert!(
            self.entry_sp == 0 || self.exit_fp != 0,
            "JIT code called Rust without a stub, so its frames cannot be found: call what enters the machine again, \
             or walks its frames, through `rust_call`"
        );
    }
}

// SAFETY: `older` points into the stack of the thread that entered a segment; until that returns nobody
// else uses the machine (the contract of `Gate::enter`), and afterwards the pointer is null.
unsafe impl Send for Machine {}

impl Machine {
    /// Where the trampoline notes its stack pointer, from r14.
    pub const ENTRY_SP: i32 = (offset_of!(Machine, segment) + offset_of!(Segment, entry_sp)) as i32;
    /// Where a stub notes its frame, from r14.
    pub const EXIT_FP: i32 = (offset_of!(Machine, segment) + offset_of!(Segment, exit_fp)) as i32;
    /// What prologues and back-edges compare with, from r14: the bound of the stack, or one that no stack meets
    /// while an interrupt is pending. See [`super::poll`].
    pub const STACK_LIMIT: i32 = offset_of!(Machine, stack_limit) as i32;
    /// Where a cut leaves its mark, from r14.
    pub const CUT: i32 = offset_of!(Machine, cut) as i32;

    /// A machine that runs nothing yet. Compiled code compares its stack, which grows down, with `bound`: the
    /// thread's, with [`super::NativeStack::limit`], or one of the client's. See [`super::poll`].
    ///
    /// # Panics
    /// If `bound` is `u64::MAX`, which stands for an interrupt.
    #[must_use]
    pub const fn new(bound: u64) -> Machine {
        Machine::with(bound, u64::MAX)
    }

    /// The same for a stack that grows up, to `bound` at most, which is not 0.
    ///
    /// # Panics
    /// If `bound` is 0, which stands for an interrupt.
    #[must_use]
    pub const fn growing_up(bound: u64) -> Machine {
        Machine::with(bound, 0)
    }

    const fn with(bound: u64, alarm: u64) -> Machine {
        assert!(bound != alarm, "a bound that no stack meets stands for an interrupt");
        Machine {
            segment: Segment::NONE,
            stack_limit: AtomicU64::new(bound),
            cut: 0,
            bound: Cell::new(bound),
            alarm,
            link: OnceCell::new(),
            _stays: PhantomPinned,
        }
    }

    /// Whether a segment is entered.
    #[must_use]
    pub const fn is_entered(&self) -> bool {
        self.segment.entry_sp != 0
    }

    /// Every JIT frame of every segment that is suspended in a call, the youngest first.
    ///
    /// # Safety
    /// The caller is Rust code that the machine's JIT code called through [`super::rust_call`] (or code that
    /// it calls), on the same thread, and the frames are not used after it returns. While nothing is entered
    /// there is no frame, and nothing to promise.
    ///
    /// # Panics
    /// If JIT code runs that called Rust in another way, directly or through a C function: its frames cannot be
    /// found.
    #[must_use]
    #[track_caller]
    pub unsafe fn frames(&self) -> Frames<'_> {
        self.segment.assert_findable();
        Frames { fp: self.segment.exit_fp, segment: self.segment, machine: core::marker::PhantomData }
    }

    /// Whether some frame will return into `code`: then it must not be freed.
    ///
    /// # Safety
    /// As [`Machine::frames`].
    #[must_use]
    pub unsafe fn returns_into(&self, code: &Range<usize>) -> bool {
        // SAFETY: the caller's promise.
        let mut frames = unsafe { self.frames() };
        // A return address may be the one behind the last byte, when the last call does not return.
        frames.any(|frame| code.start < frame.return_address && frame.return_address <= code.end)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(link) = self.link.get() {
            link.cut();
        }
    }
}

/// A JIT frame that is suspended in a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Its rbp.
    pub fp: usize,
    /// Where it goes on when its callee returns.
    pub return_address: usize,
    /// The address of the stack word that holds the return address.
    pub return_slot: usize,
}

/// The walk of [`Machine::frames`].
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    /// rbp of the frame whose caller comes next.
    fp: usize,
    segment: Segment,
    machine: core::marker::PhantomData<&'a Machine>,
}

impl Iterator for Frames<'_> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        loop {
            let caller = if self.fp == 0 { 0 } else { word(self.fp) };
            // The last caller of a segment is the trampoline, which is no JIT frame.
            if self.fp != 0 && caller != self.segment.entry_sp + trampoline::FRAME_BYTES {
                let return_slot = self.fp + 8;
                self.fp = caller;
                return Some(Frame { fp: caller, return_address: word(return_slot), return_slot });
            }
            if self.segment.older.is_null() {
                self.fp = 0;
                return None;
            }
            let older: *const Segment = self.segment.older;
            // SAFETY: a segment points to the one outside, which stands in the frame of the `enter` that
            // suspended it; that `enter` has not returned, since its segment is entered.
            self.segment = unsafe { older.read() };
            self.fp = self.segment.exit_fp;
        }
    }
}

/// The word at an address in the frames of a segment.
///
/// Only `Frames` asks, for the saved rbp and the return address of a frame. It begins at the rbp of a stub
/// that has not returned (the promise of `Machine::frames`), and the frame convention has every body save its
/// caller's rbp at its own: so each address is that of a word of this thread's stack, down to the
/// trampoline, where the walk of a segment ends.
fn word(address: usize) -> usize {
    let at = ptr::with_exposed_provenance::<usize>(address);
    // SAFETY: a word of the stack, as said above.
    unsafe { at.read() }
}

/// A segment that is entered: when dropped, also by a panic, the one outside is resumed.
pub(super) struct Entered<'a> {
    machine: *mut Machine,
    suspended: &'a Segment,
}

impl<'a> Entered<'a> {
    /// The segment that `machine` is in, to be suspended.
    ///
    /// # Safety
    /// `machine` is valid for reads.
    #[inline]
    #[track_caller]
    pub(super) unsafe fn current(machine: *const Machine) -> Segment {
        // Most segments have nobody outside. That these are constants then keeps one run from waiting for what the one
        // before stored: half of the time that entering would take.
        // SAFETY: the caller's promise.
        if unsafe { (*machine).segment.entry_sp } == 0 {
            return Segment::NONE;
        }
        // SAFETY: the caller's promise.
        let segment = unsafe { (*machine).segment };
        segment.assert_findable();
        segment
    }

    /// Begin a new segment inside `suspended`.
    ///
    /// # Safety
    /// `machine` is valid for reads and writes until the result is dropped, and `suspended` is what
    /// [`Entered::current`] said.
    pub(super) unsafe fn begin(machine: *mut Machine, suspended: &'a Segment) -> Entered<'a> {
        let outside = if suspended.entry_sp == 0 { ptr::null() } else { ptr::from_ref(suspended) };
        // SAFETY: the caller's promise.
        unsafe { (*machine).segment = Segment { older: outside, ..Segment::NONE } };
        Entered { machine, suspended }
    }

    /// Whether the segment was cut, and forget it.
    pub(super) fn take_cut(&mut self) -> bool {
        // SAFETY: valid until `self` is dropped, as `begin` was promised.
        let cut = unsafe { &raw mut (*self.machine).cut };
        // SAFETY: as above; nobody holds a reference to the field, which is private to this file.
        if unsafe { cut.read() } == 0 {
            return false;
        }
        // SAFETY: as above.
        unsafe { cut.write(0) };
        true
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        // SAFETY: valid until now, as `begin` was promised.
        unsafe { (*self.machine).segment = *self.suspended };
    }
}
