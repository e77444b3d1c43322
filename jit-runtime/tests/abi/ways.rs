//! Bodies that push, pop and jump, against a walk over all their ways.

use arbtest::arbitrary::{self, Unstructured};
use jit_runtime::abi::CFunction;
use jit_runtime::stitch::{Assembler, Label};
use jit_runtime::x64;
use std::collections::BTreeSet;

type Nothing = extern "C" fn();

#[derive(Clone, Copy, PartialEq, Debug)]
enum Op {
    Push,
    Pop,
    /// One template that pushes and pops, jumping when it has pushed.
    PushJumpPop(usize),
    /// One that pushes and jumps.
    PushMaybe(usize),
    Maybe(usize),
    Jump(usize),
    Bind(usize),
    Return,
    Trap,
    Call,
}

const LABELS: usize = 3;

fn any_op(u: &mut Unstructured<'_>) -> arbitrary::Result<Op> {
    let label = u.choose_index(LABELS)?;
    u.choose(&[
        Op::Push,
        Op::Push,
        Op::Pop,
        Op::Pop,
        Op::PushJumpPop(label),
        Op::PushMaybe(label),
        Op::Maybe(label),
        Op::Maybe(label),
        Op::Jump(label),
        Op::Bind(label),
        Op::Bind(label),
        Op::Return,
        Op::Trap,
        Op::Call,
    ])
    .copied()
}

extern "C" fn callee() {}

fn emit(f: &mut CFunction<'_, Nothing>, op: Op, labels: &[Label; LABELS]) {
    match op {
        Op::Push => x64!(f => push rax),
        Op::Pop => x64!(f => add rsp, 8),
        Op::PushJumpPop(n) => x64!(f => push rax; push rcx; pop rcx; jz {labels[n]}; nop),
        Op::PushMaybe(n) => x64!(f => nop; push rax; jz {labels[n]}),
        Op::Maybe(n) => x64!(f => jz {labels[n]}),
        Op::Jump(n) => x64!(f => jmp {labels[n]}),
        Op::Bind(n) => f.bind(labels[n]),
        Op::Return => f.ret(()),
        Op::Trap => x64!(f => ud2),
        Op::Call => f.call(callee as Nothing, ()),
    }
}

/// How far rsp has moved, by number of the operation: on every way, or until it has been too many.
fn walk(ops: &[Op]) -> Vec<BTreeSet<i32>> {
    let target = |n: usize| ops.iter().position(|op| *op == Op::Bind(n));
    let mut found = vec![BTreeSet::new(); ops.len() + 1];
    let mut open = vec![(0, 0)];
    while let Some((at, moved)) = open.pop() {
        if found[at].len() > 3 || !found[at].insert(moved) || at == ops.len() {
            continue;
        }
        let (falls, jumps, moved) = match ops[at] {
            Op::Push => (true, None, moved - 8),
            Op::Pop => (true, None, moved + 8),
            Op::PushJumpPop(n) | Op::PushMaybe(n) => (true, Some(n), moved - 8),
            Op::Maybe(n) => (true, Some(n), moved),
            Op::Jump(n) => (false, Some(n), moved),
            Op::Bind(_) | Op::Call => (true, None, moved),
            Op::Return | Op::Trap => (false, None, moved),
        };
        open.extend(falls.then_some((at + 1, moved)));
        open.extend(jumps.and_then(target).map(|to| (to, moved)));
    }
    found
}

fn is_right(ops: &[Op], found: &[BTreeSet<i32>]) -> bool {
    let fits = |(at, moved): (usize, &i32)| {
        let still = at == ops.len() || ops[at] == Op::Call;
        *moved <= 0 && (*moved == 0 || !still)
    };
    let one = found.iter().all(|moves| moves.len() <= 1);
    one && found.iter().enumerate().flat_map(|(at, all)| all.iter().map(move |m| (at, m))).all(fits)
}

/// What is finished is right on every way; what is right on every way, and reached from above, is finished.
#[test]
fn rsp_is_in_one_place_on_every_way() {
    let (mut finished, mut refused) = (0, 0);
    let any = |u: &mut Unstructured<'_>| {
        let mut ops = vec![];
        for _ in 0..u.int_in_range(0..=9)? {
            let op = any_op(u)?;
            if !(matches!(op, Op::Bind(_)) && ops.contains(&op)) {
                ops.push(op);
            }
        }
        let mut asm = Assembler::new();
        let mut f = CFunction::<Nothing>::begin(&mut asm);
        let labels = std::array::from_fn(|_| f.label());
        ops.iter().for_each(|op| emit(&mut f, *op, &labels));
        // A return right at the end falls into it.
        let walked: Vec<Op> =
            ops.iter().copied().take(ops.len() - usize::from(ops.last() == Some(&Op::Return))).collect();
        let found = walk(&walked);
        let right = is_right(&walked, &found);
        let told = f.finish();
        // Of what nothing leads to, and of loops that are entered from below, the text in front is believed.
        let plain = !ops.iter().any(|op| matches!(op, Op::Jump(_) | Op::Return | Op::Trap));
        assert!(right || told.is_err(), "{ops:?} is finished, but {found:?}");
        assert!(!(right && plain) || told.is_ok(), "{ops:?} is refused: {told:?}");
        *(if told.is_ok() { &mut finished } else { &mut refused }) += 1;
        Ok(())
    };
    arbtest::arbtest(any).size_max(128).budget_ms(1_000);
    assert!(finished > 100 && refused > 100, "{finished} {refused}");
}

fn finishes(build: impl FnOnce(&mut CFunction<'_, Nothing>)) {
    let mut asm = Assembler::new();
    let mut f = CFunction::<Nothing>::begin(&mut asm);
    build(&mut f);
    f.finish().expect("right");
}

/// What looks alike and is right.
#[test]
fn right_bodies_are_finished() {
    // Both ways pop what was pushed, the second behind a jump.
    finishes(|f| {
        let (other, done) = (f.label(), f.label());
        x64!(f => push rdi; test rdi, rdi; jz {other});
        x64!(f => pop rax; jmp {done});
        f.bind(other);
        x64!(f => pop rcx);
        f.bind(done);
    });
    // From the middle of a push to the cold section and back.
    finishes(|f| {
        let (rare, back) = (f.label(), f.label());
        x64!(f => push rdi; test rdi, rdi; jz {rare});
        x64!(f => pop rax);
        f.bind(back);
        f.call(callee as Nothing, ());
        f.cold(|f| {
            f.bind(rare);
            x64!(f => pop rax; jmp {back});
        });
        x64!(f => push rax);
        x64!(f => pop rax);
    });
    // What does not come back is no way.
    finishes(|f| {
        let bad = f.label();
        x64!(f => test edi, edi; jz {bad});
        f.ret(());
        f.bind(bad);
        x64!(f => push rax; ud2);
    });
    // The frame pointer as an argument of somebody, and an address in the body.
    finishes(|f| {
        let here = f.label();
        x64!(f => mov rax, rbp; push rax; lea rcx, [{here}]; push rcx; add rsp, 16);
        f.bind(here);
    });
}
