//! Telling the unwinder of this process about code.
//!
//! The unwinder has a lock of its own, of which a child of fork knows nothing. It is not told of anything while a thread
//! forks. What this crate cannot know is whether another thread is unwinding at that moment: a child of such a fork may
//! wait for ever when it tells the unwinder of code, or panics.
#![allow(unsafe_code)]

use crate::frame::RecordError;
use crate::memory::CodeHeap;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
use crate::memory::undivided;

#[cfg(test)]
thread_local! {
    /// Records that this thread had registered, in all, and how many of them are.
    static COUNTS: core::cell::Cell<(usize, usize)> = const { core::cell::Cell::new((0, 0)) };
}

/// A record that the unwinder knows, until this is dropped.
pub(super) struct Registered {
    record: Box<[u8]>,
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod host {
    // Of libgcc, which the standard library of this target links; not part of any header. Both take the
    // first byte of a list of records as in `.eh_frame`, ended by four zeros (LSB 5.0, 10.6).
    unsafe extern "C" {
        pub(super) fn __register_frame(begin: *const u8);
        pub(super) fn __deregister_frame(begin: *const u8);
    }
}

/// Whether there is an unwinder that can be told.
pub(super) const fn is_supported() -> bool {
    cfg!(all(target_os = "linux", target_env = "gnu"))
}

impl Registered {
    /// Have the unwinder know `record`.
    ///
    /// # Safety
    /// `record` is a well-formed list of records with its end mark, true of the code that it describes, and
    /// no registered record describes that code already.
    pub(super) unsafe fn new(record: Vec<u8>) -> Registered {
        let record = record.into_boxed_slice();
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        let _whole = undivided();
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        // SAFETY: the list is well-formed (the caller's promise), and stays where it is until `drop`.
        unsafe {
            host::__register_frame(record.as_ptr());
        }
        #[cfg(test)]
        COUNTS.set((COUNTS.get().0 + 1, COUNTS.get().1 + 1));
        Registered { record }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        let _whole = undivided();
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        // SAFETY: registered by `new` under this very address, once.
        unsafe {
            host::__deregister_frame(self.record.as_ptr());
        }
        #[cfg(test)]
        COUNTS.set((COUNTS.get().0, COUNTS.get().1 - 1));
        let _ = &self.record;
    }
}

/// Have the unwinder know all code of `heap`, now and later, by the records that `record` makes for regions. A second
/// call for the same heap changes nothing. `false`: there is no unwinder to be told.
#[must_use]
pub(super) fn describe(heap: &CodeHeap, record: fn(usize, usize) -> Result<Vec<u8>, RecordError>) -> bool {
    if is_supported() {
        // Whoever was first told it all.
        let _first = heap.tell_unwinder(move |base, len| {
            let record = record(base, len).expect("a region has at most 1 GiB");
            // SAFETY: it is a record of `frame`, which makes well-formed lists; it is true of code that keeps the frame
            // convention of the heap, which entering any code of it promises; the heap tells this hook, which it
            // keeps once, of each region once.
            Box::new(unsafe { Registered::new(record) })
        });
    }
    is_supported()
}

#[cfg(all(test, target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod tests {
    use super::COUNTS;
    use crate::abi::{CFunction, Value};
    use crate::frame::{enter_frame, leave_frame};
    use crate::memory::{CodeHeap, HeapOptions, Strategy};
    use crate::stitch::{Assembler, Code, Sealed};
    use crate::transition::{CHeap, EntryPoint, Gate, Machine};

    const FUNCTIONS: usize = 500;

    fn body() -> Sealed {
        let mut asm = Assembler::new();
        enter_frame(&mut asm);
        leave_frame(&mut asm);
        asm.seal().expect("no labels")
    }

    extern "C-unwind" fn rust(_: *mut Machine) -> u64 {
        7
    }

    /// However many functions there are, and however often they are entered: a record a region, and one of the gate.
    #[test]
    fn records_are_registered_once_a_region() {
        let heap = CodeHeap::new(Strategy::DualMapping).expect("Linux on x86-64");
        let gate = Gate::new(&heap).expect("an unwinder");
        assert_eq!(COUNTS.get(), (1, 1), "the gate");
        let codes: Vec<Code> = (0..FUNCTIONS).map(|_| body().publish(&heap).expect("room")).collect();
        let rust = rust as extern "C-unwind" fn(_) -> _;
        let stub = gate.rust_call(&heap, rust).expect("room");
        let mut machine = Machine::new(0);
        for code in &codes {
            // SAFETY: the machine is alive, and the code keeps the convention and does nothing.
            assert!(unsafe { gate.enter(&raw mut machine, code.address(), 0) }.is_ok());
        }
        assert_eq!((heap.stats().regions, COUNTS.get()), (1, (2, 2)), "the region");
        let again = Gate::new(&heap).expect("an unwinder");
        assert_eq!(COUNTS.get(), (3, 3), "another gate, and the region as before");
        drop((codes, stub, heap, gate, again));
        assert_eq!(COUNTS.get(), (3, 0));
    }

    /// The same for C functions, over regions that come and go.
    #[test]
    fn records_of_c_functions_are_registered_once_a_region() {
        type F = extern "C" fn(u64) -> u64;
        let options = HeapOptions { region_size: 16 << 10, ..HeapOptions::new(Strategy::DualMapping) };
        let heap = CHeap::with(options).expect("Linux with the GNU C library");
        let publish = |number: usize| {
            let mut asm = Assembler::new();
            let mut f = CFunction::<F>::begin(&mut asm);
            f.ret(Value::constant(number as u64));
            let entry = f.finish().expect("it keeps the ABI");
            let code = asm.seal().and_then(|sealed| heap.publish(sealed)).expect("room");
            // SAFETY: the function takes anything.
            unsafe { EntryPoint::of_function(code, entry) }.expect("inside")
        };
        let functions: Vec<EntryPoint<F>> = (0..FUNCTIONS).map(publish).collect();
        for (number, function) in functions.iter().enumerate() {
            assert_eq!(function.call(0), number as u64);
        }
        let regions = heap.stats().regions;
        assert!(regions > 1 && regions < FUNCTIONS / 20);
        assert_eq!(COUNTS.get(), (regions, regions));
        drop(functions);
        assert_eq!(COUNTS.get(), (regions, heap.stats().regions));
        drop(heap);
        assert_eq!(COUNTS.get(), (regions, 0));
    }
}
