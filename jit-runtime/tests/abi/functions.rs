//! What a C function does besides its signature: what it saves, its locals, what it clears, what it refuses.

use crate::{caller, entry_point, function, heap, may_run, publish};
use arbtest::arbitrary::{self, Unstructured};
use expect_test::{Expect, expect};
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use jit_runtime::abi::{CFunction, CFunctionError, Kind, Value};
use jit_runtime::jit_asm::{Rm, Sink};
use jit_runtime::observe::disassemble;
use jit_runtime::stitch::{Assembler, Code, Function, Section};
use jit_runtime::{Address, Features, Gpr, RegSet, Xmm, x64};

type Nothing = extern "C" fn();

fn instructions(code: &Code) -> Vec<Instruction> {
    let bytes = code.block().bytes();
    let bytes = &bytes[..code.code_len()];
    Decoder::with_ip(64, bytes, 0, DecoderOptions::NONE).into_iter().collect()
}

fn pushed(code: &Code) -> Vec<String> {
    let pushes = instructions(code).into_iter().filter(|i| i.mnemonic() == Mnemonic::Push);
    let registers = pushes.filter(|i| i.op0_kind() == OpKind::Register);
    registers.map(|i| format!("{:?}", i.op0_register()).to_lowercase()).collect()
}

/// The way that not every processor has.
const ANDN: usize = 4;

/// Ways in which a template writes a register.
fn write(f: &mut CFunction<'_, Nothing>, register: Gpr, way: usize) {
    match (way, register) {
        (0, _) => x64!(f => mov {register: r64}, 77),
        (1, _) => x64!(f => lea {register: r32}, [{Gpr::Rsp: r64} + {8}]),
        (2, _) => x64!(f => setc {register: r8}; nop),
        (3, _) => x64!(f => push rax; add {Rm::Reg(register): rm64}, rsp; pop rcx),
        (ANDN, _) => x64!(f => andn {register: r64}, rax, {register: r64}),
        (5, _) => f.set(Value::<u16>::reg(register), 9_u16),
        (6, _) => x64!(f => xchg rcx, {register: r64}),
        (7, _) => {
            x64!(f => mov rdx, rsp; movq {register: r64}, xmm3; cvttsd2si {register: r64}, {Xmm::Xmm9: xmm})
        }
        (_, Gpr::Rbx) => x64!(f => mov bl, 5),
        (_, Gpr::R12) => x64!(f => inc r12w),
        (_, Gpr::R13) => x64!(f => xor r13d, r13d),
        (_, Gpr::R14) => x64!(f => xadd rcx, r14),
        _ => x64!(f => mov r15, {1_i64 << 40}),
    }
}

/// Reads are no writes, whatever they look like.
fn read(f: &mut CFunction<'_, Nothing>, register: Gpr) {
    let (address, value) = (Address::new(register, 8), Rm::Reg(register));
    x64!(f => movzx ecx, {register: r8}; lea rax, {address: m}; mov rcx, {value: rm64});
}

/// Exactly the registers that are written are saved, and the caller finds all as they were.
#[test]
fn what_is_written_is_saved_and_nothing_else() {
    let has_andn = may_run(Features::BMI1, "a register written by `andn`");
    const OWNED: [Gpr; 5] = [Gpr::Rbx, Gpr::R12, Gpr::R13, Gpr::R14, Gpr::R15];
    let any = |u: &mut Unstructured<'_>| {
        let heap = heap();
        let written = u.int_in_range(0..=31_u8)?;
        let is_written = |i: usize| written >> i & 1 != 0;
        let mut ways = (0..5).map(|_| u.int_in_range(0..=8)).collect::<arbitrary::Result<Vec<usize>>>()?;
        ways.iter_mut().filter(|way| **way == ANDN && !has_andn).for_each(|way| *way = 0);
        let (locals, cold) = (u.int_in_range(0..=600)?, u.arbitrary::<bool>()?);
        let entry = function::<Nothing>(&heap, |f| {
            for _ in 0..locals {
                f.local_with(1_u64);
            }
            OWNED.into_iter().for_each(|register| read(f, register));
            let body = |f: &mut CFunction<'_, Nothing>| {
                (0..5).filter(|&i| is_written(i)).for_each(|i| write(f, OWNED[i], ways[i]));
            };
            if cold {
                let (there, back) = (f.label(), f.label());
                x64!(f => jmp {there});
                f.cold(|f| {
                    f.bind(there);
                    body(f);
                    x64!(f => jmp {back});
                });
                f.bind(back);
            } else {
                body(f);
            }
        });
        let wanted = OWNED.iter().enumerate().filter(|(i, _)| is_written(*i)).map(|(_, r)| r.to_string());
        let mut found = pushed(entry.code());
        assert_eq!(found.remove(0), "rbp");
        found.retain(|register| register != "rax");
        assert_eq!(found, wanted.collect::<Vec<_>>(), "{ways:?}");
        let state = caller::call(entry.code().address(), &[]);
        assert_eq!(state.wrong(), None, "{ways:?}");
        Ok(())
    };
    arbtest::arbtest(any).budget_ms(1_000);
}

#[test]
fn what_no_template_tells_can_be_said() {
    let heap = heap();
    let callee = function::<Nothing>(&heap, |f| f.ret(()));
    let address = callee.code().address();
    let call = |say: fn(&mut CFunction<'_, Nothing>)| {
        let entry = function::<Nothing>(&heap, |f| {
            say(f);
            x64!(f => call {Function(address)});
        });
        pushed(entry.code()).join(" ")
    };
    assert_eq!(call(|_| ()), "rbp rbx r12 r13 r14 r15", "a call in a template may go anywhere");
    assert_eq!(call(|f| f.template_calls_write(RegSet::of(&[Gpr::R14, Gpr::Rax]))), "rbp r14");
    assert_eq!(call(|f| f.template_calls_write(RegSet::EMPTY)), "rbp");
    let both = call(|f| {
        f.template_calls_write(RegSet::EMPTY);
        f.clobbers(RegSet::of(&[Gpr::R15, Gpr::Rdi]));
    });
    assert_eq!(both, "rbp r15");
}

/// Two hundred locals, written before calls and added up behind them.
#[test]
fn two_hundred_locals_outlive_calls() {
    extern "C" fn disturb(n: i64) -> i64 {
        std::hint::black_box([n; 64]).iter().sum()
    }
    let heap = heap();
    let entry = function::<extern "C" fn(i64) -> i64>(&heap, |f| {
        let (n,) = f.keep_arguments();
        let locals: Vec<_> = (0..200).map(|_| f.local::<i64>()).collect();
        for (i, local) in locals.iter().enumerate() {
            x64!(f => mov rax, [rbp + {n.disp()}]; imul rax, rax, {i as i32}; mov [rbp + {local.disp()}], rax);
            if i % 50 == 0 {
                f.call(disturb as extern "C" fn(_) -> _, (*local,));
            }
        }
        let [sum, area] = [f.local::<i64>(), f.local::<i64>()];
        let aligned = f.area(48);
        x64!(f => lea rax, {aligned: m}; and eax, 15; mov [rbp + {area.disp()}], rax);
        x64!(f => movaps [rbp + {aligned.disp}], xmm0; mov rax, [rbp + {area.disp()}]);
        locals.iter().for_each(|local| x64!(f => add rax, [rbp + {local.disp()}]));
        f.set(sum, Value::<i64>::reg(Gpr::Rax));
        f.ret(sum);
    });
    assert_eq!(entry.call(3), 3 * 199 * 100);
    assert_eq!(caller::call(entry.code().address(), &[(Kind::W64, 3)]).wrong(), None);
}

/// How many loops take a page of stack, touch it where rsp is then, and go on with the next.
fn loops_over_pages(code: &Code) -> usize {
    let instructions = instructions(code);
    let takes_a_page = |i: &Instruction| {
        let to = (i.mnemonic(), i.op0_kind(), i.op0_register());
        to == (Mnemonic::Sub, OpKind::Register, Register::RSP)
            && i.op1_kind() == OpKind::Immediate32to64
            && i.immediate32to64() == 4096
    };
    let touches_the_last_word = |i: &Instruction| {
        (i.mnemonic(), i.op0_kind(), i.op1_kind()) == (Mnemonic::Or, OpKind::Memory, OpKind::Immediate8to64)
            && (i.memory_base(), i.memory_index()) == (Register::RSP, Register::None)
            && (i.memory_displacement64(), i.immediate8to64()) == (0, 0)
    };
    let goes_on = |i: &Instruction, to: &Instruction| {
        i.mnemonic() == Mnemonic::Jne && i.near_branch_target() == to.ip()
    };
    let is_loop = |all: &&[Instruction]| {
        takes_a_page(&all[0])
            && touches_the_last_word(&all[1])
            && all[2].mnemonic() == Mnemonic::Cmp
            && goes_on(&all[3], &all[0])
    };
    instructions.windows(4).filter(is_loop).count()
}

/// The most that one instruction takes of the stack.
fn largest_step(code: &Code) -> u64 {
    let steps = instructions(code).into_iter().filter(|i| {
        i.mnemonic() == Mnemonic::Sub && i.op0_kind() == OpKind::Register && i.op0_register() == Register::RSP
    });
    steps.map(|i| i.immediate(1)).max().unwrap_or(0)
}

/// A frame of many pages touches each before it is used: a thread's guard page is not skipped.
#[test]
fn large_frames_are_made_page_by_page() {
    let heap = heap();
    for bytes in [3900, 4000, 4096, 8192 - 56, 8192 - 24, 100_000, 1 << 20] {
        let entry = function::<extern "C" fn(u64, u64) -> u64>(&heap, |f| {
            let area = f.area(bytes);
            let (a, b) = f.keep_arguments();
            f.clobbers(RegSet::of(&[Gpr::R12]));
            x64!(f => mov {area: m64}, 1; mov r12, [rbp + {a.disp()}]; add r12, [rbp + {b.disp()}]; add r12, {area: m64});
            f.ret(Value::<u64>::reg(Gpr::R12));
        });
        assert_eq!(entry.call(40, 1), 42);
        assert_eq!(caller::call(entry.code().address(), &[]).wrong(), None, "{bytes}");
        let has_pages = bytes >= 4096 - 16;
        assert_eq!(loops_over_pages(entry.code()), usize::from(has_pages), "{bytes}");
        assert!(largest_step(entry.code()) <= 4096, "{bytes}");
    }
}

#[test]
fn large_frames_are_refused() {
    let mut asm = Assembler::new();
    let mut f = CFunction::<Nothing>::begin(&mut asm);
    for _ in 0..5 {
        let _ = f.area(1 << 30);
    }
    assert!(matches!(f.finish(), Err(CFunctionError::TooLarge { bytes }) if bytes > 1 << 30));
}

extern "C" fn nothing() {}

/// The body of a function that `build` makes, from behind the saves to the end. It is looked at only, so any processor
/// will do.
fn check_body(build: impl FnOnce(&mut CFunction<'_, Nothing>), expected: &Expect) {
    let mut asm = Assembler::new();
    asm.set_features(Features::AVX);
    let mut f = CFunction::<Nothing>::begin(&mut asm);
    build(&mut f);
    f.finish().expect("right");
    let code = publish(&heap(), asm);
    let text: Vec<String> = disassemble(&code)
        .into_iter()
        .map(|line| line.text)
        .skip_while(|text| !text.starts_with("sub rsp"))
        .take_while(|text| text != "int3" && !text.starts_with("dq"))
        .collect();
    expected.assert_eq(&text.join("\n"));
}

/// Upper halves and the direction flag are cleared before calls and at the end.
#[test]
fn what_is_set_is_cleared() {
    let nothing = nothing as Nothing;
    check_body(
        |f| {
            f.call(nothing, ());
            x64!(f => vaddpd ymm0, ymm1, ymm2);
            f.call(nothing, ());
        },
        &expect![[r#"
            sub rsp, 8
            nop [rax+rax]
            call qword ptr [rip+0x21]
            vaddpd ymm0, ymm1, ymm2
            vzeroupper
            call qword ptr [rip+0x14]
            vzeroupper
            leave
            ret"#]],
    );
}

/// Bytes without a template may have set both.
#[test]
fn what_bytes_may_have_set_is_cleared() {
    for (features, upper_halves) in [(Features::NONE, 0), (Features::AVX, 2)] {
        let mut asm = Assembler::new();
        asm.set_features(features);
        let mut f = CFunction::<Nothing>::begin(&mut asm);
        f.put_piece(b"\x90");
        f.call(nothing as Nothing, ());
        f.finish().expect("right");
        let code = publish(&heap(), asm);
        let count =
            |mnemonic| disassemble(&code).iter().filter(|line| line.to_string().contains(mnemonic)).count();
        assert_eq!((count("cld"), count("vzeroupper")), (2, upper_halves), "before the call and at the end");
    }
}

/// The same where code that sets them jumps back in front of a call that was emitted before.
#[test]
fn what_is_set_behind_a_call_is_cleared_in_front_of_it() {
    let nothing = nothing as Nothing;
    check_body(
        |f| {
            let again = f.label();
            f.bind(again);
            f.call(nothing, ());
            x64!(f => vmovups {Xmm::Xmm3: ymm}, ymm1; std; dec eax; jnz {again});
        },
        &expect![[r#"
            sub rsp, 8
            nop [rax+rax]
            cld
            vzeroupper
            call qword ptr [rip+0x1D]
            vmovups ymm3, ymm1
            std
            dec eax
            jne 0x19
            cld
            vzeroupper
            leave
            ret"#]],
    );
    check_body(
        |f| {
            let again = f.label();
            f.bind(again);
            f.call(nothing, ());
            x64!(f => vaddpd xmm0, xmm1, xmm2; dec eax; jnz {again});
        },
        &expect![[r#"
            sub rsp, 8
            nop [rax+rax]
            nop [rax]
            call qword ptr [rip+0x1D]
            vaddpd xmm0, xmm1, xmm2
            dec eax
            jne 0x19
            leave
            ret"#]],
    );
}

/// The last return falls into the end, others jump there.
#[test]
fn returns_share_one_end() {
    let heap = heap();
    let entry = function::<extern "C" fn(i64) -> i32>(&heap, |f| {
        let (zero, negative) = (f.label(), f.label());
        x64!(f => test rdi, rdi; jz {zero}; js {negative});
        f.ret(1);
        f.bind(zero);
        f.ret(0);
        f.cold(|f| {
            f.bind(negative);
            f.ret(-1);
        });
    });
    assert_eq!([5, 0, -5].map(|n| entry.call(n)), [1, 0, -1]);
    let count = |wanted| instructions(entry.code()).iter().filter(|i| i.mnemonic() == wanted).count();
    assert_eq!((count(Mnemonic::Ret), count(Mnemonic::Jmp)), (1, 2));
}

/// A function calls itself, and others of its assembler.
#[test]
fn functions_of_one_assembler_call_each_other() {
    type F = extern "C" fn(u64) -> u64;
    let heap = heap();
    let mut asm = Assembler::new();
    let mut f = CFunction::<F>::begin(&mut asm);
    let (done, entry) = (f.label(), f.entry());
    let (n,) = f.keep_arguments();
    x64!(f => mov eax, 1; test rdi, rdi; jz {done}; dec rdi);
    let rest = f.call(entry, (Value::reg(Gpr::Rdi),));
    assert_eq!(rest.place(), Gpr::Rax.into());
    x64!(f => imul rax, [rbp + {n.disp()}]);
    f.bind(done);
    let factorial = f.finish().expect("right");
    let mut f = CFunction::<F>::begin(&mut asm);
    let twice = f.call(factorial, (f.arguments().0,));
    x64!(f => add rax, rax);
    f.ret(twice);
    let twice = f.finish().expect("right");
    assert_eq!(twice.at().0 % 16, 0);
    let code = publish(&heap, asm);
    assert_eq!(entry_point(&code, factorial).call(10), 3_628_800);
    assert_eq!(entry_point(&code, twice).call(10), 7_257_600);
    assert_eq!(caller::call(code.address(), &[(Kind::W64, 5)]).wrong(), None);
}

/// Patchable targets of a function are patch points, each its own, whatever was emitted before.
#[test]
fn patchable_calls_are_aimed_elsewhere() {
    type Number = extern "C" fn() -> u64;
    extern "C" fn one() -> u64 {
        1
    }
    extern "C" fn two() -> u64 {
        2
    }
    let [one, two] = [one as Number, two as Number].map(|f| Function(f as usize));
    let mut asm = Assembler::new();
    x64!(asm => jmp {one: patchable});
    let before = asm.last_patch_point();
    let mut f = CFunction::<Number>::begin(&mut asm);
    let local = f.local::<u64>();
    x64!(f => call {one: patchable});
    let first = f.last_patch_point().expect("just emitted");
    x64!(f => mov [rbp + {local.disp()}], rax; call {one: patchable}; shl rax, 8; add rax, [rbp + {local.disp()}]);
    let second = f.last_patch_point().expect("just emitted");
    f.ret(Value::<u64>::reg(Gpr::Rax));
    let entry = f.finish().expect("right");
    assert_eq!(asm.last_patch_point(), Some(second));
    assert_ne!(before, Some(first));
    let sealed = asm.seal().expect("right");
    let code = heap().publish(sealed).expect("room");
    let f = entry_point(&code, entry);
    assert_eq!(f.call(), 0x101);
    for (point, result) in [(second, 0x201), (first, 0x202)] {
        // SAFETY: all three are functions of the same type.
        unsafe { code.retarget(point, two) }.expect("it is of this code");
        assert_eq!(f.call(), result);
    }
}

/// What is wrong is said, and the first of it.
#[test]
fn mistakes_are_told() {
    fn error(build: impl FnOnce(&mut CFunction<'_, Nothing>)) -> String {
        let mut asm = Assembler::new();
        let mut f = CFunction::<Nothing>::begin(&mut asm);
        build(&mut f);
        f.finish().expect_err("wrong").to_string()
    }
    extern "C" fn take(_: u64) {}
    let take: extern "C" fn(_) = take;
    let mut told = vec![
        error(|f| x64!(f => nop; mov rbp, rax)),
        error(|f| x64!(f => mov {Gpr::Rbp: r32}, 5)),
        error(|f| x64!(f => mov rsp, rax)),
        error(|f| x64!(f => add {Gpr::Rsp: r64}, rax)),
        error(|f| x64!(f => test eax, eax; jz out; ret; out: nop)),
        error(|f| x64!(f => ret)),
        error(|f| x64!(f => push rax)),
        error(|f| {
            x64!(f => push rax);
            f.call(take, (1,));
            x64!(f => pop rax);
        }),
        error(|f| f.call(take, (Value::reg(Gpr::R11),))),
        error(|f| f.set(Value::<u8>::at(Gpr::R11, 8), 5)),
        error(|f| f.set(Value::<u8>::constant(5), 5)),
        error(|f| x64!(f => leave; mov rbp, rax)),
        error(|f| x64!(f => add rsp, 8; push rax)),
        error(|f| {
            x64!(f => nop; lea rsp, [rsp + 8]);
            x64!(f => push rax);
        }),
        error(|f| {
            x64!(f => push rax);
            x64!(f => pop rcx; pop rcx; sub rsp, 8);
        }),
        error(|f| x64!(f => push rax; test eax, eax; jz pushed; pop rax; pushed: nop)),
        error(|f| x64!(f => again: push rax; jnz again; add rsp, 8)),
        error(|f| x64!(f => push rax; ret)),
        error(|f| x64!(f => push rbp; add rsp, 8)),
        error(|f| {
            let past = f.label();
            x64!(f => push rdi; test rdi, rdi; jnz {past});
            x64!(f => add rsp, 8);
            f.bind(past);
        }),
        error(|f| {
            let again = f.label();
            f.bind(again);
            x64!(f => push rdi; test rdi, rdi; jnz {again});
            x64!(f => add rsp, 8);
        }),
        error(|f| {
            let next = f.label();
            x64!(f => call {next});
            f.bind(next);
        }),
        error(|f| x64!(f => push rcx; call {Function(take as usize)}; pop rcx)),
        error(|f| {
            x64!(f => push rcx);
            x64!(f => call {Function(take as usize)});
            x64!(f => pop rcx);
        }),
        error(|f| {
            // A jump from one part of a template with a location to another.
            let place = Rm::Mem(Address::new(Gpr::Rdi, 0));
            x64!(f => jz past; push rax; mov {place: rm64}, rax; pop rax; past: nop);
        }),
    ];
    let mut asm = Assembler::new();
    asm.switch_to(Section::Cold);
    told.push(CFunction::<Nothing>::begin(&mut asm).finish().expect_err("wrong").to_string());
    // Two words are as good as none, and the system asks for no alignment.
    let mut asm = Assembler::new();
    let mut f = CFunction::<Nothing>::begin(&mut asm);
    x64!(f => push rcx);
    x64!(f => syscall);
    x64!(f => pop rcx);
    x64!(f => push rcx);
    x64!(f => push rcx; call {Function(take as usize)}; pop rcx; pop rcx);
    f.finish().expect("aligned");
    expect![[r#"
        C function: the template that begins with `nop` writes rbp, which holds the frame; use another register
        C function: the template that begins with `mov {Gpr :: Rbp: r32}, 5` writes rbp, which holds the frame; use another register
        C function: the template that begins with `mov rsp, rax` moves rsp in a way that is not known, or returns; take room from `area`, return by `ret`
        C function: the template that begins with `add {Gpr :: Rsp: r64}, rax` moves rsp in a way that is not known, or returns; take room from `area`, return by `ret`
        C function: the template that begins with `test eax, eax` moves rsp in a way that is not known, or returns; take room from `area`, return by `ret`
        C function: the template that begins with `ret` moves rsp in a way that is not known, or returns; take room from `area`, return by `ret`
        C function: rsp is -8 bytes from where the body began, at a call or at the end, which is at 0x001a; pop what was pushed before, or keep it in a `local`
        C function: rsp is -8 bytes from where the body began, at a call or at the end, which is at 0x001a; pop what was pushed before, or keep it in a `local`
        C function: a value to be moved is in r11, or at an address in it, which moves use themselves; choose another register
        C function: a value to be moved is in r11, or at an address in it, which moves use themselves; choose another register
        C function: a constant is no place for a value; use a register or a local
        C function: the template that begins with `leave` writes rbp, which holds the frame; use another register
        C function: the template that begins with `add rsp, 8` brings rsp 8 bytes above where the body began, where locals and saved registers are; pop what the body has pushed, and no more
        C function: the template that begins with `nop` brings rsp 8 bytes above where the body began, where locals and saved registers are; pop what the body has pushed, and no more
        C function: the template that begins with `pop rcx` brings rsp 8 bytes above where the body began, where locals and saved registers are; pop what the body has pushed, and no more
        C function: the template that begins with `push rax` moves rsp in a way that is not known, or returns; take room from `area`, return by `ret`
        C function: the template that begins with `again: push rax` moves rsp in a way that is not known, or returns; take room from `area`, return by `ret`
        C function: the template that begins with `push rax` moves rsp in a way that is not known, or returns; take room from `area`, return by `ret`
        C function: the template that begins with `push rbp` has `push rbp`, which unwinders take for the beginning of a function; write `mov rax, rbp; push rax`, or keep it in a `local`
        C function: at 0x0027 a label is reached with rsp moved by -8 on one way and by 0 on another; push and pop the same on every way to it
        C function: at 0x0019 a label is reached with rsp moved by 0 on one way and by -8 on another; push and pop the same on every way to it
        C function: a template calls Label(3), which is in the body and cannot return; jump to it, or make it a function of its own and `call` its entry
        C function: the template that begins with `push rcx` calls with a stack that is not aligned to 16 bytes; push and pop by twos around calls, or keep things in a `local`
        C function: the template that begins with `call {Function(take as usize)}` calls with a stack that is not aligned to 16 bytes; push and pop by twos around calls, or keep things in a `local`
        C function: the template that begins with `jz past` moves rsp in a way that is not known, or returns; take room from `area`, return by `ret`
        C function: it begins in the cold section; begin it in the hot one and put its rare parts into `cold`"#]].assert_eq(&told.join("\n"));
}
