//! What may go to another thread, asserted: the table in the documentation of the crate, as code. A change that
//! breaks it does not compile.

use crate::abi::{
    ArgumentPlace, ArgumentPlaces, CEntry, CFunction, CFunctionError, Kind, Local, Pair, Place, Target, Value,
};
use crate::deopt::{CallExits, Captured, FrameMaps, FrameState, MapEntry, Source, WordAt};
#[cfg(feature = "disassemble")]
use crate::frame::Breach;
use crate::frame::{CallableFrame, CodeRecord, FrameSize, FrameWord, RecordError, Row};
use crate::memory::{
    Block, CodeHeap, Event, HeapOptions, HeapStats, Keep, Mapping, MemoryError, Observer, Pages, Policy,
    RegionGuard, Space, Strategy,
};
#[cfg(all(feature = "gdb", target_os = "linux"))]
use crate::observe::Gdb;
#[cfg(feature = "disassemble")]
use crate::observe::Instruction;
#[cfg(target_os = "linux")]
use crate::observe::JitDump;
#[cfg(unix)]
use crate::observe::PerfMap;
use crate::observe::{Count, Detail, SourceFile, Statistics};
use crate::registers::{Disagreement, Entry as CacheEntry, Misfit, Payload, Shape, Slot, StackCache, Tag};
use crate::stitch::{
    About, Assembler, Code, CodePtr, Constant, Function, Label, Listing, PatchError, PatchPoint, PatchTarget,
    Positions, Sealed, Section, SourcePosition, StitchError,
};
use crate::tier::policy::{History, Pressure, Thresholds, Tier};
use crate::tier::{
    Assumption, Assumptions, CodeMap, EntryTable, Finished, Instead, Invalidated, JobError, JobStats, Jobs,
    Outdated, Premise, Refused, Retired, Ticket,
};
use crate::transition::{
    CHeap, CHeapError, Checked, Closure, Cut, Entry, EntryPoint, Frame, Frames, Gate, GateError, Interrupter,
    Machine, NativeStack, ReAimed, Safepoint,
};

const fn send_and_sync<T: Send + Sync>() {}
const fn send<T: Send + ?Sized>() {}

const _: () = {
    // Handles of memory that is shared, behind a lock or never written.
    send_and_sync::<(CodeHeap, CHeap, Space, Block, Code, Keep)>();
    send_and_sync::<(Entry<'_, extern "C" fn()>, EntryPoint<extern "C" fn()>, Gate)>();
    send_and_sync::<(Closure<extern "C" fn()>, Interrupter)>();
    // Data, of which nobody shares a part.
    send_and_sync::<(Assembler, Sealed, Listing, Positions, About, CodeRecord, FrameSize, CallableFrame)>();
    send_and_sync::<(CFunction<'_, fn()>, Target, ArgumentPlaces)>();
    send_and_sync::<(StackCache<u8, u64>, Shape<u8, u64>, FrameMaps, FrameState, Captured)>();
    send_and_sync::<(CodeMap<u8>, Retired, Instead, Invalidated, EntryTable)>();
    send_and_sync::<(History, Thresholds, Pressure)>();
    send_and_sync::<(CallExits, Assumptions<u8>, Refused<u8>)>();
    // Numbers, names, addresses and errors.
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
    send_and_sync::<(Assumption, Premise, Ticket, JobStats, Tier, ReAimed, SourcePosition, Section)>();
    send_and_sync::<(CEntry<fn()>, Local<*const u8>, Value<*const u8>, Pair<u8, f64>)>();
    send_and_sync::<(ArgumentPlace, Kind, Place, FrameWord, Row)>();
    send_and_sync::<(MapEntry, Source, WordAt)>();
    send_and_sync::<(CacheEntry<u8, u64>, Payload<u64>, Slot, Tag<u8>)>();
    send_and_sync::<(HeapOptions, HeapStats, Strategy, Policy, Detail)>();
    send_and_sync::<(MemoryError, StitchError, PatchError, RecordError, GateError, CHeapError, CFunctionError)>(
    );
    send_and_sync::<(Outdated, Misfit, Disagreement<u8>)>();
    send_and_sync::<(Count, SourceFile, Statistics)>();
    #[cfg(feature = "disassemble")]
    send_and_sync::<(Breach, Instruction)>();
    // Observers are told under the lock of a heap.
    #[cfg(all(feature = "gdb", target_os = "linux"))]
    send::<Gdb>();
    #[cfg(target_os = "linux")]
    send::<JitDump>();
    #[cfg(unix)]
    send::<PerfMap>();
    // Under the same lock.
    send::<dyn Pages>();
    send::<dyn Mapping>();
    send::<dyn Observer>();
    send::<RegionGuard>();
    // With the thread that polls it; what a job panicked with goes where it is looked at.
    send::<Jobs<u8, u8>>();
    send::<JobError>();
    send::<Finished<u8>>();
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

never!(Sync: Jobs<u8, u8>, JobError, Finished<u8>, Machine, dyn Pages, dyn Mapping, dyn Observer, RegionGuard);
never!(Send: Safepoint<'_>, Frames<'_>, Event<'_>);
never!(Sync: Safepoint<'_>, Frames<'_>, Event<'_>);
#[cfg(all(feature = "gdb", target_os = "linux"))]
never!(Sync: Gdb);
