//! From every instruction of C functions an unwinder finds the caller, with the registers as the caller had them.
//!
//! The process steps itself. The list that the chain is compared with is kept by watching calls and returns, and the
//! registers by looking at them when a function is entered.

use crate::step::{Caller, Watch, backtrace, stepping, word};
use crate::{entry_point, function, heap, may_run, publish};
use jit_runtime::abi::{CFunction, Value};
use jit_runtime::stitch::{Assembler, Code};
use jit_runtime::transition::{CHeap, Closure, EntryPoint};
use jit_runtime::{Features, Gpr, RegSet, x64};
use std::collections::BTreeSet;
use std::ops::Range;

#[derive(Default)]
struct Stepper {
    /// Where instructions are compared, and where functions begin.
    code: Vec<Range<usize>>,
    entries: Vec<usize>,
    /// Who called what runs now, the oldest first, and the registers that it had.
    callers: Vec<(Caller, [usize; 6])>,
    /// Callers of what was entered at some step, as many as there were at once.
    deepest: usize,
    stepped: BTreeSet<usize>,
    wrong: Vec<String>,
}

impl Watch for Stepper {
    fn step(&mut self, ip: usize, sp: usize, kept: [usize; 6]) {
        if !self.code.iter().any(|code| code.contains(&ip)) {
            return;
        }
        self.callers.retain(|(caller, _)| caller.sp > sp);
        if self.entries.contains(&ip) {
            self.callers.push((Caller { ip: word(sp), sp: sp + 8 }, kept));
            self.deepest = self.deepest.max(self.callers.len());
            if sp % 16 != 8 {
                self.wrong.push(format!("{ip:#x} is called with rsp {sp:#x}, which was not 16-aligned"));
            }
        }
        self.stepped.insert(ip);
        let seen = backtrace();
        // Rust frames may stand between.
        for (caller, kept) in &self.callers {
            let Some(found) = seen.iter().find(|seen| seen.caller.sp == caller.sp) else {
                self.wrong.push(format!("at {ip:#x}: {caller:x?} is not found"));
                continue;
            };
            if found.caller != *caller || found.kept != *kept {
                self.wrong.push(format!("at {ip:#x}: {found:x?}, wanted {caller:x?} with {kept:x?}"));
            }
        }
        if seen.len() < self.callers.len() + 3 {
            self.wrong.push(format!("at {ip:#x}: the walk ends in {:?}", seen.last()));
        }
    }
}

type Number = extern "C-unwind" fn(u64) -> u64;

/// Code, and the entries of the functions in it.
struct Functions {
    run: EntryPoint<Number>,
    codes: Vec<(Code, Vec<usize>)>,
}

fn functions(heap: &CHeap) -> Functions {
    let mut codes = vec![];
    let mut single = |build: &dyn Fn(&mut CFunction<'_, Number>)| {
        let entry = function::<Number>(heap, build);
        codes.push((entry.code().clone(), vec![entry.code().address()]));
        entry
    };
    // Saves nothing, and has bytes that mean something elsewhere: 55, C3 and 48 89 E5 inside instructions.
    let leaf = single(&|f| {
        x64!(f => push rax; mov eax, 0x55C3; xor rax, 0x55; add eax, 0x00E58948; pop rcx; lea rax, [rdi + 1]);
    });
    // Two of five; a loop, two returns, a cold part, a push in the body.
    let some = single(&|f| {
        let (again, odd) = (f.label(), f.label());
        let area = f.area(32);
        x64!(f => mov {Gpr::R12: r64}, rdi; mov ebx, 3; mov qword [rbp + {area.disp}], 1);
        f.bind(again);
        x64!(f => push r12; inc r12; pop rcx; dec ebx; jnz {again}; test r12, 1; jnz {odd});
        f.ret(Value::<u64>::reg(Gpr::R12));
        f.cold(|f| {
            f.bind(odd);
            x64!(f => inc r12; push rbx; pop rax);
            f.ret(Value::<u64>::reg(Gpr::R12));
        });
    });
    // All five, through holes, and a frame of pages.
    let all = single(&|f| {
        let area = f.area(3 * 4096);
        for register in [Gpr::Rbx, Gpr::R12, Gpr::R13, Gpr::R14, Gpr::R15] {
            x64!(f => lea {register: r64}, [rdi + 1]);
        }
        x64!(f => mov qword [rbp + {area.disp}], 0);
        f.ret(Value::<u64>::reg(Gpr::R15));
    });
    // The last alone; flags and upper halves are cleared.
    let avx = may_run(Features::AVX, "unwinding from where upper halves are cleared");
    let last = single(&|f| {
        x64!(f => mov r15, rdi; std);
        if avx {
            x64!(f => vxorpd ymm0, ymm0, ymm0);
        }
        f.ret(Value::<u64>::reg(Gpr::R15));
    });
    let (code, entries, run) = calls_all(heap, [&leaf, &some, &all, &last]);
    codes.push((code, entries));
    Functions { run, codes }
}

/// One that calls all of them, itself, and Rust that calls one of them again; words on the stack.
fn calls_all(heap: &CHeap, callees: [&EntryPoint<Number>; 4]) -> (Code, Vec<usize>, EntryPoint<Number>) {
    let [leaf, other, ..] = callees.map(EntryPoint::clone);
    let closure = Closure::<Number>::new(move |n| other.call(n));
    type Nine = extern "C-unwind" fn(u64, u64, u64, u64, u64, u64, u64, u64, u64) -> u64;
    let mut asm = Assembler::new();
    let mut f = CFunction::<Nine>::begin(&mut asm);
    let arguments = f.arguments();
    x64!(f => mov r13, rdi; add r13, [rbp + 16]; xor r14d, r14d);
    f.call(&leaf, (arguments.8,));
    f.ret(Value::<u64>::reg(Gpr::R13));
    let nine = f.finish().expect("right");
    let mut f = CFunction::<Number>::begin(&mut asm);
    let (n,) = f.keep_arguments();
    let (done, this) = (f.label(), f.entry());
    f.clobbers(RegSet::of(&[Gpr::R14]));
    x64!(f => mov rbx, rdi; mov r14, -1; test rdi, rdi; jz {done}; dec rdi);
    f.call(this, (Value::reg(Gpr::Rdi),));
    for callee in callees {
        f.call(callee, (n,));
        x64!(f => add rbx, rax);
    }
    f.call(&closure, (n,));
    f.call(nine, (n, 2, 3, 4, 5, 6, Value::reg(Gpr::Rbx), 8, n));
    f.bind(done);
    f.ret(Value::<u64>::reg(Gpr::Rbx));
    let run = f.finish().expect("right");
    let code = publish(heap, asm);
    let entries = [nine.at(), run.at()].map(|at| code.address_of(at).expect("inside"));
    let run = entry_point(&code, run);
    (code, entries.to_vec(), run)
}

fn stepper(functions: &Functions) -> Stepper {
    let code = |(code, _): &(Code, _)| code.address()..code.address() + code.code_len();
    Stepper {
        code: functions.codes.iter().map(code).collect(),
        entries: functions.codes.iter().flat_map(|(_, entries)| entries.clone()).collect(),
        ..Stepper::default()
    }
}

#[test]
fn every_instruction_finds_its_callers_and_their_registers() {
    let heap = heap();
    let functions = functions(&heap);
    let mut results = vec![];
    let stepper = stepping(stepper(&functions), || {
        for n in 0..3 {
            results.push(functions.run.call(n));
        }
    });
    assert_eq!(results, [0, 1 + 2 + 4 + 2 + 1, 2 + 3 + 6 + 3 + 2]);
    let first = stepper.wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
    assert!(stepper.wrong.is_empty(), "{} wrong:\n{first}", stepper.wrong.len());
    let mut missed = vec![];
    for (code, _) in &functions.codes {
        let bytes = &code.block().bytes()[..code.code_len()];
        let mut decoder = iced_x86::Decoder::with_ip(64, bytes, code.address() as u64, 0);
        while decoder.can_decode() {
            let instruction = decoder.decode();
            let padding =
                [iced_x86::Mnemonic::Int3, iced_x86::Mnemonic::Nop].contains(&instruction.mnemonic());
            if !padding && !stepper.stepped.contains(&(instruction.ip() as usize)) {
                missed.push(instruction.to_string());
            }
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
    println!("{} instructions, {} callers at once", stepper.stepped.len(), stepper.deepest);
    assert!(stepper.stepped.len() > 140 && stepper.deepest >= 6);
}

/// The net itself: a body that overwrites a saved register's place is found.
#[test]
fn a_saved_register_that_is_overwritten_is_found() {
    let heap = heap();
    let mut breach = 0;
    let entry = function::<Number>(&heap, |f| {
        x64!(f => mov rbx, rdi; mov rax, [rbp - 16]; mov qword [rbp - 16], 0);
        x64!(f => nop; mov [rbp - 16], rax; mov rax, rbx);
        breach = 1;
    });
    assert_eq!(breach, 1);
    let functions =
        Functions { codes: vec![(entry.code().clone(), vec![entry.code().address()])], run: entry };
    let stepper = stepping(stepper(&functions), || {
        std::hint::black_box(functions.run.call(5));
    });
    // At the `nop` and at the instruction that puts it right again.
    assert!(stepper.wrong.len() <= 2, "{:?}", stepper.wrong);
    assert!(!stepper.wrong.is_empty());
}
