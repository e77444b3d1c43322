//! What runs of instructions do, as text: registers and flags that matter at the entry, what may change,
//! how the stack pointer moves.

use arbtest::arbitrary::{self, Unstructured};
use expect_test::{Expect, expect};
use jit_asm::RegSet;
use jit_asm::syntax::{lay_out, parse};
use jit_asm::template::{Effects, Flags, StackMove};
use jit_asm::x64::effects::{self, InsnSummary};
use std::collections::BTreeSet;

fn check(text: &str, expected: Expect) {
    let stmts = parse(text.parse().expect("tokens")).expect("statements");
    let e = lay_out(&stmts).expect("a template").whole.effects;
    let moved = |by: StackMove| match by {
        StackMove::By(n) => n.to_string(),
        StackMove::Unknown => "unknown".to_owned(),
    };
    let mut said = format!("{:?}/{:?} -> {:?}/{:?}", e.reads, e.reads_flags, e.writes, e.writes_flags);
    said += &format!(", stack {}", moved(e.stack));
    if e.highest != StackMove::By(0) {
        said += &format!(", up to {}", moved(e.highest));
    }
    if let Some(at) = e.called_at.filter(|&at| at != StackMove::By(0)) {
        said += &format!(", called at {}", moved(at));
    }
    let rest = [
        (e.reads_memory, "loads"),
        (e.writes_memory, "stores"),
        (e.calls, "calls"),
        (e.jumps, "jumps"),
        (e.traps, "traps"),
        (e.ymm, "ymm"),
        (!e.falls_through, "ends"),
    ];
    for (_, word) in rest.into_iter().filter(|(is, _)| *is) {
        said += &format!(", {word}");
    }
    expected.assert_eq(&said);
}

#[test]
fn what_is_written_first_is_not_read() {
    check("mov rax, rcx; add rax, rdx", expect!["{rcx, rdx}/ -> {rax}/oszapc, stack 0"]);
    check(
        "mov rax, [rbp - 16]; cqo; idiv rcx",
        expect!["{rcx, rbp}/ -> {rax, rdx}/oszapc, stack 0, loads, traps"],
    );
    check("add rax, rcx; mov rax, 5", expect!["{rax, rcx}/ -> {rax}/oszapc, stack 0"]);
    check("cmp rax, rcx; setl al; movzx eax, al", expect!["{rax, rcx}/ -> {rax}/oszapc, stack 0"]);
    check("lea rax, [rcx + rdx*8 + 5]", expect!["{rcx, rdx}/ -> {rax}/, stack 0"]);
}

#[test]
fn upper_halves() {
    check("vaddpd ymm0, ymm1, [rdi]", expect!["{rdi, xmm1}/ -> {xmm0}/, stack 0, loads, ymm"]);
    check(
        "vaddpd xmm0, xmm1, xmm2; vmovupd [rdi], ymm3",
        expect!["{rdi, xmm1, xmm2, xmm3}/ -> {xmm0}/, stack 0, stores"],
    );
    check("vmovups {y: ymm}, ymm3", expect!["{xmm3}/ -> {}/, stack 0, ymm"]);
    check(
        "vextractf128 xmm0, ymm1, 1; vmovmskpd eax, ymm2",
        expect!["{xmm1, xmm2}/ -> {rax, xmm0}/, stack 0"],
    );
}

#[test]
fn parts_of_registers() {
    check("mov al, 5", expect!["{rax}/ -> {rax}/, stack 0"]);
    check("mov ax, cx", expect!["{rax, rcx}/ -> {rax}/, stack 0"]);
    check("mov eax, 5; mov al, cl", expect!["{rcx}/ -> {rax}/, stack 0"]);
    check("mov dh, ch", expect!["{rcx, rdx}/ -> {rdx}/, stack 0"]);
    check("movzx eax, cl", expect!["{rcx}/ -> {rax}/, stack 0"]);
    check("mul cl", expect!["{rax, rcx}/ -> {rax}/oszapc, stack 0"]);
}

#[test]
fn a_register_with_itself() {
    check("xor eax, eax", expect!["{}/ -> {rax}/oszapc, stack 0"]);
    check("sub rcx, rcx", expect!["{}/ -> {rcx}/oszapc, stack 0"]);
    check("xor al, al", expect!["{rax}/ -> {rax}/oszapc, stack 0"]);
    check("xor ax, ax", expect!["{rax}/ -> {rax}/oszapc, stack 0"]);
    check("and eax, eax", expect!["{rax}/ -> {rax}/oszapc, stack 0"]);
    check("sbb rax, rax", expect!["{rax}/c -> {rax}/oszapc, stack 0"]);
}

#[test]
fn flags() {
    check("adc rax, rcx", expect!["{rax, rcx}/c -> {rax}/oszapc, stack 0"]);
    check("add rax, rcx; adc rdx, 0", expect!["{rax, rcx, rdx}/ -> {rax, rdx}/oszapc, stack 0"]);
    check("inc rax; adc rdx, 0", expect!["{rax, rdx}/c -> {rax, rdx}/oszapc, stack 0"]);
    check("cmovl rax, rcx", expect!["{rax, rcx}/os -> {rax}/, stack 0"]);
    // A count of 0 leaves the flags: those of the entry may still be there.
    check("shl rax, cl; setc dl", expect!["{rax, rcx, rdx}/c -> {rax, rdx}/oszapc, stack 0"]);
    check("shl rax, {n}; setc dl", expect!["{rax, rdx}/c -> {rax, rdx}/oszapc, stack 0"]);
    check("shl rax, 3; setc dl", expect!["{rax, rdx}/ -> {rax, rdx}/oszapc, stack 0"]);
    check("shl rax, 64", expect!["{rax}/ -> {rax}/, stack 0"]);
    check("shl eax, 32; setc dl", expect!["{rax, rdx}/c -> {rax, rdx}/, stack 0"]);
}

#[test]
fn repetitions() {
    check("rep movsb", expect!["{rcx, rsi, rdi}/d -> {rcx, rsi, rdi}/, stack 0, loads, stores"]);
    // Repeated no times, a comparison leaves the flags, and a load its register.
    check(
        "repe cmpsb; setz al",
        expect!["{rax, rcx, rsi, rdi}/zd -> {rax, rcx, rsi, rdi}/oszapc, stack 0, loads"],
    );
    check("cmpsb; setz al", expect!["{rax, rsi, rdi}/d -> {rax, rsi, rdi}/oszapc, stack 0, loads"]);
    check("rep lodsq", expect!["{rax, rcx, rsi}/d -> {rax, rcx, rsi}/, stack 0, loads"]);
    check("cld; std; stosd", expect!["{rax, rdi}/ -> {rdi}/d, stack 0, stores"]);
    check(
        "again: lodsb; loop again",
        expect!["{rax, rcx, rsi}/d -> {rax, rcx, rsi}/, stack 0, loads, jumps"],
    );
}

#[test]
fn frames() {
    check(
        "enter 32, 0; leave",
        expect!["{rsp, rbp}/ -> {rsp, rbp}/, stack unknown, up to unknown, loads, stores"],
    );
    check("enter 32, 0", expect!["{rsp, rbp}/ -> {rsp, rbp}/, stack -40, stores"]);
    check("enter 8, 3", expect!["{rsp, rbp}/ -> {rsp, rbp}/, stack -40, loads, stores"]);
    check(
        "enter 8, {level}",
        expect!["{rsp, rbp}/ -> {rsp, rbp}/, stack unknown, up to unknown, loads, stores"],
    );
    check("enter {room}, 0", expect!["{rsp, rbp}/ -> {rsp, rbp}/, stack unknown, up to unknown, stores"]);
    check("pushfq; popfq", expect!["{rsp}/oszapcd -> {rsp}/oszapcd, stack 0, loads, stores"]);
}

#[test]
fn paths() {
    // The jump may pass by the write, so the read behind it may see the entry's value.
    check(
        "test rcx, rcx; jz over; mov rax, 1; over: mov rdx, rax",
        expect!["{rax, rcx}/ -> {rax, rdx}/oszapc, stack 0, jumps"],
    );
    check(
        "test rcx, rcx; jz other; mov rax, 1; jmp end; other: mov rax, 2; end: mov rdx, rax",
        expect!["{rcx}/ -> {rax, rdx}/oszapc, stack 0, jumps"],
    );
    // Around the loop: rax of the second round was written in the first, that of the first was not.
    check(
        "again: add rcx, rax; mov rax, 1; dec rdx; jnz again",
        expect!["{rax, rcx, rdx}/ -> {rax, rcx, rdx}/oszapc, stack 0, jumps"],
    );
    check("jmp {l}; mov rax, rcx", expect!["{}/ -> {rax}/, stack 0, jumps"]);
    check("jo {l}; mov rax, rcx", expect!["{rcx}/o -> {rax}/, stack 0, jumps"]);
}

#[test]
fn stack() {
    check("push rax; push rcx", expect!["{rax, rcx, rsp}/ -> {rsp}/, stack -16, stores"]);
    check("push rax; pop rcx", expect!["{rax, rsp}/ -> {rcx, rsp}/, stack 0, loads, stores"]);
    check("push ax", expect!["{rax, rsp}/ -> {rsp}/, stack -2, stores"]);
    check("pop rsp", expect!["{rsp}/ -> {rsp}/, stack unknown, up to unknown, loads"]);
    check("sub rsp, 24", expect!["{rsp}/ -> {rsp}/oszapc, stack -24"]);
    check("lea rsp, [rsp + 24]", expect!["{rsp}/ -> {rsp}/, stack 24, up to 24"]);
    check("sub rsp, {n}", expect!["{rsp}/ -> {rsp}/oszapc, stack unknown, up to unknown"]);
    check("push rbp; mov rbp, rsp", expect!["{rsp, rbp}/ -> {rsp, rbp}/, stack -8, stores"]);
    check("leave; ret", expect!["{rbp}/ -> {rsp, rbp}/, stack unknown, up to unknown, loads, jumps, ends"]);
    check("ret", expect!["{rsp}/ -> {rsp}/, stack 8, up to 8, loads, jumps, ends"]);
    check("ret 16", expect!["{rsp}/ -> {rsp}/, stack 24, up to 24, loads, jumps, ends"]);
    check(
        "push rax; call {f}; pop rax",
        expect!["{rax, rsp}/ -> {rax, rsp}/, stack 0, called at -8, loads, stores, calls"],
    );
}

#[test]
fn stack_on_every_path() {
    check(
        "jz over; push rax; over: nop",
        expect!["{rax, rsp}/z -> {rsp}/, stack unknown, up to unknown, stores, jumps"],
    );
    check(
        "jz over; push rax; pop rcx; over: nop",
        expect!["{rax, rsp}/z -> {rcx, rsp}/, stack 0, loads, stores, jumps"],
    );
    check(
        "push rax; jo {l}; pop rcx",
        expect!["{rax, rsp}/o -> {rcx, rsp}/, stack unknown, loads, stores, jumps"],
    );
    check(
        "again: push rax; jnz again",
        expect!["{rax, rsp}/z -> {rsp}/, stack unknown, up to unknown, stores, jumps"],
    );
    check("push rax; ud2", expect!["{rax, rsp}/ -> {rsp}/, stack unknown, stores, traps, ends"]);
}

#[test]
fn the_highest_on_the_way() {
    check("add rsp, 8; push rax", expect!["{rax, rsp}/ -> {rsp}/oszapc, stack 0, up to 8, stores"]);
    check(
        "push rax; add rsp, 24; sub rsp, 16",
        expect!["{rax, rsp}/ -> {rsp}/oszapc, stack 0, up to 16, stores"],
    );
    check(
        "push rax; pop rcx; pop rdx",
        expect!["{rax, rsp}/ -> {rcx, rdx, rsp}/, stack 8, up to 8, loads, stores"],
    );
    check(
        "jz over; pop rax; push rax; over: nop",
        expect!["{rsp}/z -> {rax, rsp}/, stack 0, up to 8, loads, stores, jumps"],
    );
    check(
        "push rax; jz other; pop rax; jmp {l}; other: pop rcx",
        expect!["{rax, rsp}/z -> {rax, rcx, rsp}/, stack 0, loads, stores, jumps"],
    );
    // The way that is never left counts too.
    check(
        "jz round; jmp end; round: push rax; jmp round; end: nop",
        expect!["{rax, rsp}/z -> {rsp}/, stack 0, up to unknown, stores, jumps"],
    );
    // What no jump leads to may be entered all the same.
    check(
        "push rax; lea rcx, [own]; jmp rcx; own: pop rax",
        expect!["{rax, rsp}/ -> {rax, rcx, rsp}/, stack -8, up to unknown, loads, stores, jumps"],
    );
    check("lea rcx, [own]; jmp rcx; own: nop; jmp {l}", expect!["{}/ -> {rcx}/, stack 0, jumps"]);
    check("jmp over; .qword 1; over: ud2", expect!["{}/ -> {}/, stack unknown, jumps, traps"]);
}

#[test]
fn where_the_stack_is_when_it_calls() {
    check(
        "push rax; call {f}; pop rax",
        expect!["{rax, rsp}/ -> {rax, rsp}/, stack 0, called at -8, loads, stores, calls"],
    );
    check(
        "push rax; push rcx; call {f}; pop rcx; pop rax",
        expect!["{rax, rcx, rsp}/ -> {rax, rcx, rsp}/, stack 0, called at -16, loads, stores, calls"],
    );
    check(
        "push rax; call {f}; pop rax; call {f}",
        expect!["{rax, rsp}/ -> {rax, rsp}/, stack 0, called at unknown, loads, stores, calls"],
    );
    check(
        "mov rsp, rax; call {f}",
        expect!["{rax}/ -> {rsp}/, stack unknown, up to unknown, called at unknown, stores, calls"],
    );
    check(
        "jz over; push rax; over: call {f}",
        expect![
            "{rax, rsp}/z -> {rsp}/, stack unknown, up to unknown, called at unknown, stores, calls, jumps"
        ],
    );
    check(
        "push rax; syscall; pop rax",
        expect!["{rax, rsp}/oszapcd -> {rax, rcx, rsp, r11}/oszapcd, stack 0, loads, stores, calls"],
    );
}

#[test]
fn holes_are_in_no_set() {
    check("add {a: r64}, [{b: r64} + {i: r64}*8]", expect!["{}/ -> {}/oszapc, stack 0, loads"]);
    check("mov {a: r64}, rcx", expect!["{rcx}/ -> {}/, stack 0"]);
    check("call {f}", expect!["{rsp}/ -> {rsp}/, stack 0, stores, calls"]);
    check("int3", expect!["{}/ -> {}/, stack 0, traps"]);
}

/// What walks through a template read before they wrote it, and where they left the stack pointer.
#[derive(Default)]
struct Walks {
    reads: RegSet,
    reads_flags: Flags,
    ends: BTreeSet<Option<i32>>,
    /// Where the stack pointer was in front of each instruction, and at the end.
    before: Vec<BTreeSet<Option<i32>>>,
    highest: BTreeSet<Option<i32>>,
    called_at: BTreeSet<Option<i32>>,
}

/// Every walk of at most `steps` instructions from number `i` on: the dumb way to what `of_sequence` finds.
fn walk(
    insns: &[InsnSummary],
    i: usize,
    steps: usize,
    written: (RegSet, Flags),
    moved: Option<i32>,
    out: &mut Walks,
) {
    out.before[i].insert(moved);
    out.highest.insert(moved);
    let Some(insn) = insns.get(i) else {
        out.ends.insert(moved);
        return;
    };
    if steps == 0 {
        return;
    }
    let e = &insn.effects;
    if e.called_at.is_some() {
        out.called_at.insert(moved);
    }
    out.reads = out.reads.union(e.reads.difference(written.0));
    out.reads_flags = out.reads_flags.union(e.reads_flags.difference(written.1));
    let flags = e.writes_flags.difference(insn.keeps_flags);
    let written = (written.0.union(e.writes), written.1.union(flags));
    let moved = match (moved, e.stack) {
        (Some(a), StackMove::By(b)) => Some(a + b),
        _ => None,
    };
    out.highest.insert(moved);
    if e.jumps && insn.target.is_none() {
        out.ends.insert(moved);
    }
    if insn.falls_through {
        walk(insns, i + 1, steps - 1, written, moved, out);
    }
    if let Some(target) = insn.target {
        walk(insns, target, steps - 1, written, moved, out);
    }
}

fn any_insn(u: &mut Unstructured<'_>, count: usize) -> arbitrary::Result<InsnSummary> {
    let registers = |u: &mut Unstructured<'_>| {
        Ok(RegSet::from_bits(u64::from(u.arbitrary::<u8>()? & u.arbitrary::<u8>()?)))
    };
    let flags = |u: &mut Unstructured<'_>| Ok(Flags(u.arbitrary::<u8>()? & u.arbitrary::<u8>()? & 63));
    let mut effects = Effects {
        reads: registers(u)?,
        writes: registers(u)?,
        reads_flags: flags(u)?,
        writes_flags: flags(u)?,
        ..Effects::NONE
    };
    effects.stack = *u.choose(&[
        StackMove::By(0),
        StackMove::By(0),
        StackMove::By(0),
        StackMove::By(8),
        StackMove::By(-8),
        StackMove::Unknown,
    ])?;
    effects.called_at = if u.ratio(1, 3)? { Some(StackMove::By(0)) } else { None };
    effects.jumps = u.ratio(1, 3)?;
    let target = if effects.jumps && u.ratio(3, 4)? { Some(u.choose_index(count + 1)?) } else { None };
    let falls_through = !u.ratio(1, 4)?;
    Ok(InsnSummary { effects, keeps_flags: flags(u)?, falls_through, target })
}

#[test]
fn composition_agrees_with_every_walk() {
    arbtest::arbtest(|u| {
        let count = u.int_in_range(0..=4)?;
        let insns = (0..count).map(|_| any_insn(u, count)).collect::<arbitrary::Result<Vec<_>>>()?;
        let mut walks = Walks { before: vec![BTreeSet::new(); count + 1], ..Walks::default() };
        // Long enough to come to any instruction, and from there out, once around any loop.
        walk(&insns, 0, 2 * count + 1, (RegSet::EMPTY, Flags::NONE), Some(0), &mut walks);
        let found = effects::of_sequence(&insns);
        assert_eq!((found.reads, found.reads_flags), (walks.reads, walks.reads_flags), "{insns:#?}");
        let stack = match Vec::from_iter(walks.ends)[..] {
            [Some(by)] => StackMove::By(by),
            _ => StackMove::Unknown,
        };
        assert_eq!(found.stack, stack, "{insns:#?}");
        let apart = walks.before.iter().any(|moves| moves.len() > 1);
        let missed: Vec<&InsnSummary> = insns
            .iter()
            .zip(&walks.before)
            .filter(|(_, moves)| moves.is_empty())
            .map(|(insn, _)| insn)
            .collect();
        let highest = match walks.highest.iter().copied().collect::<Option<BTreeSet<i32>>>() {
            Some(moves) if !apart && missed.iter().all(|insn| insn.effects.stack == StackMove::By(0)) => {
                StackMove::By(moves.last().copied().unwrap_or_default())
            }
            _ => StackMove::Unknown,
        };
        assert_eq!(found.highest, highest, "{insns:#?}");
        let unmet = missed.iter().any(|insn| insn.effects.called_at.is_some());
        let called_at = match Vec::from_iter(walks.called_at)[..] {
            [] if !unmet => None,
            [Some(by)] if !unmet => Some(StackMove::By(by)),
            _ => Some(StackMove::Unknown),
        };
        assert_eq!(found.called_at, called_at, "{insns:#?}");
        assert_eq!(found.falls_through, !walks.before[count].is_empty() || !missed.is_empty(), "{insns:#?}");
        Ok(())
    })
    .size_max(512)
    .budget_ms(1_000);
}
