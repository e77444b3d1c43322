//! The capture of an exit: every register as it was, and the name of the exit.
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu", feature = "disassemble"))]
#![allow(unsafe_code)]

mod support;

use jit_runtime::deopt::{Captured, capture};
use jit_runtime::frame::{enter_frame, leave_frame};
use jit_runtime::stitch::Function;
use jit_runtime::{Gpr, Xmm, x64};
use support::{Context, context, enter, heap, publish};

/// Notes all that was captured, and gives the caller of the code that was left its result.
extern "C-unwind" fn left(context: *mut Context, captured: *const Captured) -> u64 {
    // SAFETY: the stub of `capture` gave the pointer to this function.
    let captured = unsafe { Captured::read(captured) };
    // SAFETY: r14 was the address of the context that the test holds; the test waits in `enter`.
    let context = unsafe { &mut *context };
    context.seen.extend(Gpr::ALL.map(|r| captured.register(r) as usize));
    context.seen.push(captured.return_address());
    context
        .seen
        .extend(Xmm::ALL.map(|r| captured.vector(r)).iter().flat_map(|&v| [v as usize, (v >> 64) as usize]));
    4711
}

#[test]
fn an_exit_captures_every_register_and_its_own_name() {
    let heap = heap();
    let mut context = context(&heap);
    let left = left as extern "C-unwind" fn(_, _) -> _;
    let handler = context.gate.rust_call(&heap, left).expect("room");
    let stub = {
        let mut asm = jit_runtime::stitch::Assembler::new();
        capture(&mut asm, Function(handler.address()));
        leave_frame(&mut asm);
        asm.seal().expect("no labels").publish(&heap).expect("room")
    };
    let given = |r: Gpr| 0x0101_0101_0101_0100 + i64::from(r.number());
    let halves = |r: Xmm| [0x100 + i32::from(r.number()), -1 - i32::from(r.number())];
    let kept = [Gpr::Rsp, Gpr::Rbp, Gpr::R14];
    for exit_number in 0..2 {
        let mut exits = vec![];
        let code = publish(&heap, |asm| {
            enter_frame(asm);
            for r in Gpr::ALL.into_iter().filter(|r| !kept.contains(r)) {
                x64!(asm => mov {r: r64}, {given(r)});
            }
            for r in Xmm::ALL {
                let [low, high] = halves(r);
                x64!(asm => push {high}; push {low}; movups {r: xmm}, [rsp]; add rsp, 16);
            }
            let (first, second, common) = (asm.label(), asm.label(), asm.label());
            let taken = [first, second][exit_number];
            x64!(asm => jmp {taken});
            for exit in [first, second] {
                asm.bind(exit);
                x64!(asm => call {common});
                exits.push(asm.offset().0 as usize);
            }
            asm.bind(common);
            x64!(asm => jmp {Function(stub.address())});
        });
        let at = &raw mut context;
        assert_eq!(enter(at, code.address(), 0).map(|r| r.0), Ok(4711));
        let seen = std::mem::take(&mut context.seen);
        for r in Gpr::ALL.into_iter().filter(|r| !kept.contains(r)) {
            assert_eq!(seen[usize::from(r.number())], given(r) as usize, "{r}");
        }
        let [rsp, rbp, r14] = kept.map(|r| seen[usize::from(r.number())]);
        assert_eq!((rsp, r14), (rbp, at.addr()), "a body without slots ends at its rbp");
        assert_eq!(seen[16], code.address() + exits[exit_number]);
        let vectors: Vec<_> =
            Xmm::ALL.iter().flat_map(|&r| halves(r)).map(|half| half as isize as usize).collect();
        assert_eq!(seen[17..], vectors);
    }
}
