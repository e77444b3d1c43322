//! What may go to another thread, asserted: the table in the documentation of the crate, as code. A change that
//! breaks it does not compile.

use crate::abi::{CEntry, CFunctionError, Local, Value};
use crate::deopt::{CallExits, Captured, FrameMaps, FrameState};
use crate::frame::{CodeRecord, FrameSize, RecordError};
use crate::memory::{
    Block, CodeHeap, HeapOptions, HeapStats, Mapping, MemoryError, Pages, Policy, Space, Strategy,
};
use crate::registers::StackCache;
use crate::stitch::{
    About, Assembler, Code, CodePtr, Constant, Function, Label, Listing, PatchError, PatchPoint, PatchTarget,
    Positions, Sealed, SourcePosition, StitchError,
};
use crate::tier::policy::{History, Thresholds};
use crate::tier::{Assumption, Assumptions, CodeMap, EntryTable, JobError, Jobs, Premise, Retired, Ticket};
use crate::transition::{
    CHeap, CHeapError, Checked, Closure, Cut, Entry, EntryPoint, Frame, Frames, Gate, GateError, Interrupter,
    Machine, NativeStack, ReAimed, Safepoint,
};

const fn send_and_sync<T: Send + Sync>() {}
const fn send<T: Send + ?Sized>() {}

const _: () = {
    // Handles of memory that is shared, behind a lock or never written.
    send_and_sync::<(CodeHeap, CHeap, Space, Block, Code)>();
    send_and_sync::<(Entry<'_, extern "C" fn()>, EntryPoint<extern "C" fn()>, Gate)>();
    send_and_sync::<(Closure<extern "C" fn()>, Interrupter)>();
    // Data, of which nobody shares a part.
    send_and_sync::<(Assembler, Sealed, Listing, Positions, About, CodeRecord, FrameSize)>();
    send_and_sync::<(StackCache<u8, u64>, FrameMaps, FrameState, Captured)>();
    send_and_sync::<(CodeMap<u8>, Retired, EntryTable, History, Thresholds)>();
    send_and_sync::<(CallExits, Assumptions<u8>)>();
    // Numbers, addresses and errors.
    send_and_sync::<(
        CodePtr,
        Constant,
        Function,
        Label,
        PatchPoint,
        PatchTarget,
        Checked,
        Cut,
        Frame,
        NativeStack,
    )>();
    send_and_sync::<(Assumption, Premise, Ticket, ReAimed, SourcePosition)>();
    send_and_sync::<(CEntry<fn()>, Local<*const u8>, Value<*const u8>)>();
    send_and_sync::<(HeapOptions, HeapStats, Strategy, Policy)>();
    send_and_sync::<(MemoryError, StitchError, PatchError, RecordError, GateError, CHeapError, CFunctionError)>(
    );
    // Under the lock of a heap.
    send::<dyn Pages>();
    send::<dyn Mapping>();
    // With the thread that polls it; what a job panicked with goes where it is looked at.
    send::<Jobs<u8, u8>>();
    send::<JobError>();
    // Between two runs of its code, never while it is entered.
    send::<Machine>();
};

/// Implemented once for every type, and once more for those that are `Send` (`Sync`): for these the call is ambiguous
/// and does not compile.
macro_rules! never {
    ($trait:ident: $($type:ty),+) => {
        const _: () = {
            trait Ambiguous<Which> {
                const OK: () = ();
            }
            struct Any;
            struct This;
            impl<T: ?Sized> Ambiguous<Any> for T {}
            impl<T: ?Sized + $trait> Ambiguous<This> for T {}
            $(let () = <$type as Ambiguous<_>>::OK;)+
        };
    };
}

never!(Sync: Jobs<u8, u8>, JobError, Machine, dyn Pages, dyn Mapping);
never!(Send: Safepoint<'_>, Frames<'_>);
