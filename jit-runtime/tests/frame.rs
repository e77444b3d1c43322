//! The convention in bytes, its record as a list, its checker on breaches.
#![cfg(all(unix, target_arch = "x86_64", feature = "disassemble"))]

use expect_test::expect;
use jit_runtime::frame::{
    CodeRecord, RecordError, Row, check, enter_frame, enter_frame_sized, leave_frame, region_record,
};
use jit_runtime::memory::{CodeHeap, Strategy};
use jit_runtime::stitch::{Assembler, Function, Section};
use jit_runtime::{Gpr, x64};

fn finished(build: impl FnOnce(&mut Assembler)) -> Vec<u8> {
    let mut asm = Assembler::new();
    build(&mut asm);
    let end = asm.offset().0 as usize;
    let heap = CodeHeap::new(Strategy::ProtectFlip).expect("a Unix on x86-64");
    let code = asm.seal().expect("every label is bound").publish(&heap).expect("room");
    let mut bytes = code.block().bytes();
    // Behind the code stands room for veneers.
    bytes.truncate(end);
    bytes
}

#[test]
fn a_body_has_the_bytes_that_the_record_looks_for() {
    let code = finished(|asm| {
        enter_frame(asm);
        leave_frame(asm);
    });
    assert_eq!(code, [0x55, 0x48, 0x89, 0xE5, 0xC9, 0xC3]);
}

#[test]
fn frames_are_multiples_of_sixteen() {
    for (slots, bytes) in [(0, 0), (1, 16), (2, 16), (3, 32), (4, 32), (255, 2048), (u16::MAX, 524_288)] {
        let code = finished(|asm| {
            let size = enter_frame_sized(asm);
            leave_frame(asm);
            size.set(asm, slots);
        });
        assert_eq!(code[..7], [0x55, 0x48, 0x89, 0xE5, 0x48, 0x81, 0xEC], "{slots} slots");
        assert_eq!(i32::from_le_bytes(*code[7..].first_chunk().unwrap()), bytes, "{slots} slots");
    }
}

#[test]
fn the_size_of_a_frame_is_set_where_it_began() {
    for (began, set) in [(Section::Hot, Section::Cold), (Section::Cold, Section::Hot)] {
        let mut asm = Assembler::new();
        asm.switch_to(began);
        let size = enter_frame_sized(&mut asm);
        leave_frame(&mut asm);
        asm.switch_to(set);
        size.set(&mut asm, 4);
        let code = asm.seal().expect("no labels");
        assert_eq!(
            code.bytes(),
            [0x55, 0x48, 0x89, 0xE5, 0x48, 0x81, 0xEC, 32, 0, 0, 0, 0xC9, 0xC3],
            "{began:?}"
        );
    }
}

/// The bytes of the region's record, in the order of the format: whoever knows readelf reads them.
#[test]
fn the_record_of_a_region() {
    let record = region_record(0x1234_5678_9ABC_D000, 0x10000).unwrap();
    let lines: Vec<String> =
        record.chunks(16).map(|c| c.iter().map(|b| format!("{b:02x} ")).collect()).collect();
    expect![[r#"
        14 00 00 00 00 00 00 00 01 00 01 78 10 0c 07 08 
        90 01 00 00 00 00 00 00 8c 00 00 00 1c 00 00 00 
        00 d0 bc 9a 78 56 34 12 00 00 01 00 00 00 00 00 
        0f 37 80 00 94 01 10 55 29 28 26 00 80 00 94 01 
        10 c3 01 29 28 1b 00 80 00 94 01 10 48 2e 28 16 
        00 80 01 94 02 10 89 cb 03 2e 28 0a 00 77 10 2f 
        07 00 77 08 2f 02 00 76 10 16 06 39 80 00 94 01 
        10 55 29 28 27 00 80 00 94 01 10 c3 01 29 28 1c 
        00 80 00 94 01 10 48 2e 28 17 00 80 01 94 02 10 
        89 cb 03 2e 28 0b 00 77 00 06 2f 08 00 76 00 2f 
        03 00 76 00 06 00 00 00 00 00 00 00 "#]]
    .assert_eq(&lines.join("\n"));
    assert_eq!(region_record(0, 1 << 32).unwrap_err(), RecordError::TooLong { len: 1 << 32 });
}

#[test]
fn rows_come_in_order() {
    let mut record = CodeRecord::new();
    record.row(4, Row::Frame(Gpr::Rsp, 16));
    record.row(4, Row::Saved(Gpr::Rbx, -24));
    assert!(record.write(0x1000, 8).is_ok());
    assert_eq!(record.write(0x1000, 3).unwrap_err(), RecordError::RowOutOfOrder { at: 4 });
    record.row(2, Row::Kept(Gpr::Rbx));
    let error = record.write(0x1000, 8).unwrap_err();
    expect!["unwind record: the row at 0x2 is out of order or behind the code; add rows as you emit"]
        .assert_eq(&error.to_string());
}

#[test]
fn the_checker_finds_every_breach() {
    type Build = fn(&mut Assembler);
    let cases: &[(&str, Build)] = &[
        ("good", |asm| {
            enter_frame(asm);
            x64!(asm => mov rax, rdi; cmp rbp, rax; push rax; call {Function(0)}; test rax, rax);
            leave_frame(asm);
        }),
        ("no frame", |asm| x64!(asm => mov rax, rdi; ret)),
        ("push rbp alone", |asm| x64!(asm => push rbp; mov rax, rdi; leave; ret)),
        ("mov rbp alone", |asm| x64!(asm => mov rbp, rsp; leave; ret)),
        ("not aligned", |asm| x64!(asm => nop; push rbp; mov rbp, rsp; leave; ret)),
        ("jump behind leave", |asm| {
            enter_frame(asm);
            x64!(asm => leave; jmp {Function(0)});
        }),
        ("return with a count", |asm| {
            enter_frame(asm);
            x64!(asm => leave; ret 8);
        }),
        ("call before ret", |asm| {
            enter_frame(asm);
            x64!(asm => call {Function(0)}; ret);
        }),
        ("call at the end", |asm| {
            enter_frame(asm);
            x64!(asm => call rax);
        }),
        ("call that does not return", |asm| {
            enter_frame(asm);
            x64!(asm => call rax; ud2);
        }),
        ("rbp as a register", |asm| {
            enter_frame(asm);
            x64!(asm => pop rbp; xor ebp, ebp; mov bpl, 1; xchg rax, rbp; mov [rbp], rax);
            leave_frame(asm);
        }),
    ];
    let mut found = String::new();
    for (name, build) in cases {
        found += &format!("{name}:\n");
        for breach in check(&finished(build), &[]) {
            found += &format!("  {breach}\n");
        }
    }
    expect![[r#"
        good:
        no frame:
          at 0x3: `ret` is not behind `leave`
        push rbp alone:
          at 0x0: `push rbp` is not followed by `mov rbp, rsp`
        mov rbp alone:
          at 0x0: `mov rbp, rsp` is not behind `push rbp`
        not aligned:
          at 0x1: a body is not 16-aligned
        jump behind leave:
          at 0x4: `leave` is not followed by `ret`
        return with a count:
          at 0x4: `leave` is not followed by `ret`
          at 0x5: a return has another encoding than C3
        call before ret:
          at 0x4: a call is followed by `ret`; `leave` stands between
          at 0x9: `ret` is not behind `leave`
        call at the end:
          at 0x4: a call stands at the end of its code; a call that does not return is followed by `ud2`
        call that does not return:
        rbp as a register:
          at 0x4: rbp changes inside a body
          at 0x5: rbp changes inside a body
          at 0x7: rbp changes inside a body
          at 0xa: rbp changes inside a body
    "#]]
    .assert_eq(&found);
}

#[test]
fn data_is_not_read_as_instructions() {
    let data = [0x55, 0xC3, 0xE8, 0x48]; // a push of rbp, a return, and a call that would take the rest with it
    let mut asm = Assembler::new();
    enter_frame(&mut asm);
    leave_frame(&mut asm);
    let [a, b, c, d] = data;
    x64!(asm => .byte {a: u8}, {b: u8}, {c: u8}, {d: u8});
    asm.cold(|asm| {
        x64!(asm => .align 16);
        enter_frame(asm);
        leave_frame(asm);
    });
    let sealed = asm.seal().expect("every label is bound");
    assert_eq!(sealed.data(), std::slice::from_ref(&(6..10)));
    assert_eq!(check(sealed.bytes(), sealed.data()), []);
    assert!(check(sealed.bytes(), &[]).len() > 2);
}
