//! Single steps: a process that traps behind each of its own instructions, and asks libgcc for the whole
//! chain of callers there.
#![allow(unsafe_code, dead_code)] // each test binary uses a part

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// libgcc's interface to a walk (Itanium C++ ABI, exception handling, level I).
mod host {
    use std::ffi::{c_int, c_void};

    #[repr(C)]
    pub(crate) struct Walk {
        _opaque: [u8; 0],
    }

    unsafe extern "C" {
        pub(crate) fn _Unwind_Backtrace(
            visit: extern "C" fn(*mut Walk, *mut c_void) -> c_int,
            argument: *mut c_void,
        ) -> c_int;
        pub(crate) fn _Unwind_GetIP(walk: *mut Walk) -> usize;
        pub(crate) fn _Unwind_GetCFA(walk: *mut Walk) -> usize;
        pub(crate) fn _Unwind_GetGR(walk: *mut Walk, register: c_int) -> usize;
    }
}

/// The registers that a callee keeps: their numbers in DWARF and in a signal's context.
pub(crate) const KEPT: [(c_int, c_int); 6] = [
    (3, libc::REG_RBX),
    (6, libc::REG_RBP),
    (12, libc::REG_R12),
    (13, libc::REG_R13),
    (14, libc::REG_R14),
    (15, libc::REG_R15),
];

/// A frame that will be returned to: where it goes on, and its rsp then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Caller {
    pub(crate) ip: usize,
    pub(crate) sp: usize,
}

/// One frame as the unwinder sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) caller: Caller,
    pub(crate) kept: [usize; 6],
}

/// What is told of every instruction, before it runs. It may allocate in JIT code only: anywhere else it may
/// stand in the middle of the allocator.
pub(crate) trait Watch: 'static {
    fn step(&mut self, ip: usize, sp: usize, kept: [usize; 6]);
}

/// The word at an address of the stack.
pub(crate) fn word(address: usize) -> usize {
    let at = ptr::with_exposed_provenance::<usize>(address);
    // SAFETY: asked for rsp behind a push or a call: the word that was pushed.
    unsafe { at.read() }
}

/// The frames from here to the start of the thread.
pub(crate) fn backtrace() -> Vec<Seen> {
    extern "C" fn visit(walk: *mut host::Walk, argument: *mut c_void) -> c_int {
        // SAFETY: the unwinder passes the walk that it is in.
        let ip = unsafe { host::_Unwind_GetIP(walk) };
        // SAFETY: as above.
        let sp = unsafe { host::_Unwind_GetCFA(walk) };
        // SAFETY: as above; a number of a register that the ABI has callees keep.
        let kept = KEPT.map(|(number, _)| unsafe { host::_Unwind_GetGR(walk, number) });
        // SAFETY: the vector below, which nobody else uses during the walk.
        let seen = unsafe { &mut *argument.cast::<Vec<Seen>>() };
        seen.push(Seen { caller: Caller { ip, sp }, kept });
        // 0 goes on; anything else ends a walk that does not end by itself.
        c_int::from(seen.len() > 200)
    }
    let mut seen: Vec<Seen> = Vec::with_capacity(64);
    // SAFETY: the callback has the right type and takes the vector.
    unsafe { host::_Unwind_Backtrace(visit, (&raw mut seen).cast()) };
    seen
}

static WATCH: AtomicPtr<*mut dyn Watch> = AtomicPtr::new(ptr::null_mut());
/// Whether stepping is to go on.
static STEPPING: AtomicBool = AtomicBool::new(false);

/// The flag that has the processor trap behind every instruction (Intel SDM vol. 1, 3.4.3.3).
const TRAP_FLAG: i64 = 1 << 8;

extern "C" fn on_trap(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes the context of this signal, which is this handler's until it returns.
    let machine = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext };
    // SAFETY: `stepping` keeps the pointer alive while traps arrive.
    let watch = unsafe { *WATCH.load(Ordering::Relaxed) };
    // SAFETY: `stepping` keeps what is told alive, and does not look at it while traps arrive.
    let watch = unsafe { &mut *watch };
    let register = |number: c_int| machine.gregs[number as usize] as usize;
    let go_on = STEPPING.load(Ordering::Relaxed);
    if go_on {
        watch.step(
            register(libc::REG_RIP),
            register(libc::REG_RSP),
            KEPT.map(|(_, number)| register(number)),
        );
    }
    let flags = &mut machine.gregs[libc::REG_EFL as usize];
    *flags = if go_on { *flags | TRAP_FLAG } else { *flags & !TRAP_FLAG };
}

/// Run `work` instruction by instruction, and tell `watch`. One thread at a time: the handler tells one.
pub(crate) fn stepping<W: Watch>(mut watch: W, work: impl FnOnce()) -> W {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_trap;
    // SAFETY: all zeros is a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO;
    let mut at: *mut dyn Watch = &raw mut watch;
    WATCH.store(&raw mut at, Ordering::Relaxed);
    STEPPING.store(true, Ordering::Relaxed);
    // SAFETY: the handler has the type that SA_SIGINFO asks for.
    let installed = unsafe { libc::sigaction(libc::SIGTRAP, &raw const action, ptr::null_mut()) };
    assert_eq!(installed, 0);
    // SAFETY: the handler takes the signal and sets the trap flag: stepping begins.
    unsafe { libc::raise(libc::SIGTRAP) };
    work();
    // The next instruction's trap is the last. The one behind it may be anything.
    STEPPING.store(false, Ordering::Relaxed);
    std::hint::black_box(&mut at);
    watch
}

/// Run `work`, which is part of what is stepped, at full speed.
pub(crate) fn at_full_speed<R>(work: impl FnOnce() -> R) -> R {
    STEPPING.store(false, Ordering::Relaxed);
    let result = work();
    STEPPING.store(true, Ordering::Relaxed);
    // SAFETY: `stepping` has installed the handler, which sets the trap flag again.
    unsafe { libc::raise(libc::SIGTRAP) };
    result
}
