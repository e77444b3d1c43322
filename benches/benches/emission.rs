//! What an instruction costs to emit, beside copying its bytes and beside dynasm-rs.
//!
//! `cargo bench -p jit-benches --bench emission`

use jit_benches::contest::{aim_at_least, aim_at_most};
use jit_benches::emission::{CODE, INSTRUCTIONS, Op, STRAIGHT_INSTRUCTIONS, UNIT, dynasm, located, stitched};
use jit_benches::{Contestant, contest};
use jit_runtime::Sink;
use jit_runtime::stitch::Assembler;
use std::hint::black_box;

const ROUNDS: usize = 400;
const MEMCPY: &str = "memcpy";
const PIECES: &str = "memcpy, template by template";
const STITCHED: &str = "Assembler";
const INTO_VEC: &str = "Vec<u8>";
const DYNASM: &str = "dynasm-rs";
const DYNAMIC: &str = "dynasm-rs, dynamic labels";
const LOCAL: &str = "dynasm-rs, local labels";

fn main() {
    let unit = seal(|asm| stitched::unit(asm, &UNIT));
    let units = CODE / unit.len();
    println!("{INSTRUCTIONS} instructions, {} bytes, repeated {units} times, {ROUNDS} rounds", unit.len());
    check();
    block(&unit, units);
    labelled(&unit, units);
    straight(units);
    whole(units);
    locations();
}

/// The finished code of a fresh assembler.
fn seal(emit: impl FnOnce(&mut Assembler)) -> Vec<u8> {
    let mut asm = Assembler::new();
    emit(&mut asm);
    asm.seal().expect("every label of the unit is bound").bytes().to_vec()
}

fn finish(emit: impl FnOnce(&mut dynasm::Assembler)) -> Vec<u8> {
    let mut ops = dynasm::Assembler::new(0);
    emit(&mut ops);
    ops.finalize().expect("every label of the unit is bound")
}

/// Nobody is timed before they all give the same bytes.
fn check() {
    let ours = seal(|asm| (0..2).for_each(|_| stitched::unit(asm, &UNIT)));
    assert_eq!(ours, finish(|ops| (0..2).for_each(|_| dynasm::unit(ops, &UNIT))), "units with labels");
    let ours = seal(|asm| (0..2).for_each(|_| stitched::block_unit(asm, 5, -1000)));
    let twice =
        |unit: fn(&mut dynasm::Assembler, i64, i32)| finish(|ops| (0..2).for_each(|_| unit(ops, 5, -1000)));
    assert_eq!(ours, twice(dynasm::dynamic_block_unit), "units of one template with labels");
    assert_eq!(ours, twice(dynasm::local_block_unit), "units of one template with labels");
    let ours = seal(|asm| stitched::straight_unit(asm, &UNIT));
    assert_eq!(ours, finish(|ops| dynasm::straight_unit(ops, &UNIT)), "units without jumps");
    let ours = seal(|asm| stitched::whole_unit(asm, 5, -1000));
    assert_eq!(ours, finish(|ops| dynasm::whole_unit(ops, 5, -1000)), "units of one template");
    let ours = seal(|asm| located::unit(asm, &located::UNIT));
    assert_eq!(ours, seal(|asm| located::fixed_unit(asm, &located::UNIT)), "units with locations");
    assert_eq!(ours, seal(|asm| located::known_unit(asm, &located::UNIT)), "units with locations");
}

/// Copies of `unit`, one call each, to memory that was touched before.
fn memcpy<'a>(unit: &'a [u8], units: usize) -> Contestant<'a> {
    let mut code = vec![0; unit.len() * units];
    Contestant::new(MEMCPY, move || {
        for room in code.chunks_exact_mut(unit.len()) {
            room.copy_from_slice(black_box(unit));
        }
        black_box(&mut code);
    })
}

/// Copies of the templates of a unit, chosen by `match`, of the lengths they have when Rust compiles.
fn pieces<'a>(units: usize) -> Contestant<'a> {
    let mut code = Vec::with_capacity(CODE);
    Contestant::new(PIECES, move || {
        code.clear();
        for _ in 0..units {
            black_box(&UNIT).iter().for_each(|op| stitched::copy(&mut code, op));
        }
        black_box(&mut code);
    })
}

/// Units into an assembler, from the first byte to sealed code. It keeps its memory from run to run, as a
/// compiler does.
fn stitched<'a>(units: usize, emit: impl Fn(&mut Assembler, &[Op]) + 'a) -> Contestant<'a> {
    let mut kept = Assembler::new();
    Contestant::new(STITCHED, move || {
        let mut asm = std::mem::take(&mut kept);
        (0..units).for_each(|_| emit(&mut asm, black_box(&UNIT)));
        let sealed = asm.seal().expect("every label is bound");
        black_box(sealed.bytes());
        kept = sealed.recycle();
    })
}

fn into_vec<'a>(units: usize, emit: impl Fn(&mut Vec<u8>, &[Op]) + 'a) -> Contestant<'a> {
    let mut code = Vec::with_capacity(CODE);
    Contestant::new(INTO_VEC, move || {
        code.clear();
        (0..units).for_each(|_| emit(&mut code, black_box(&UNIT)));
        black_box(&mut code);
    })
}

/// The same with dynasm-rs; its memory is kept as well.
fn dynasm_rs<'a>(
    name: &'static str,
    units: usize,
    emit: impl Fn(&mut dynasm::Assembler, &[Op]) + 'a,
) -> Contestant<'a> {
    let mut ops = dynasm::Assembler::new(0);
    Contestant::new(name, move || {
        (0..units).for_each(|_| emit(&mut ops, black_box(&UNIT)));
        drop(ops.drain().expect("every label is bound"));
        black_box(&mut ops);
    })
}

fn block(unit: &[u8], units: usize) {
    let emit = |asm: &mut Assembler, ops: &[Op]| {
        let (value, base) = operands(ops);
        stitched::block_unit(asm, value, base);
    };
    let contest = contest(
        ROUNDS,
        vec![
            memcpy(unit, units),
            stitched(units, emit),
            dynasm_rs(DYNAMIC, units, |ops, program| {
                let (value, base) = operands(program);
                dynasm::dynamic_block_unit(ops, value, base);
            }),
            dynasm_rs(LOCAL, units, |ops, program| {
                let (value, base) = operands(program);
                dynasm::local_block_unit(ops, value, base);
            }),
        ],
    );
    let per = (units * INSTRUCTIONS) as f64;
    contest.print(
        "One template with 24 holes, 6 of them jumps to labels made for it",
        "ns / instruction",
        per,
    );
    aim_at_most("one template with labels, x memcpy", contest.ratio(STITCHED, MEMCPY).median, 2.2);
    let times = |name| contest.ratio(name, STITCHED).median;
    aim_at_least("times faster than dynasm-rs with dynamic labels", times(DYNAMIC), 4.0);
    aim_at_least("times faster than dynasm-rs with local labels", times(LOCAL), 10.0);
}

fn labelled(unit: &[u8], units: usize) {
    let contest = contest(
        ROUNDS,
        vec![
            memcpy(unit, units),
            pieces(units),
            stitched(units, stitched::unit),
            dynasm_rs(DYNAMIC, units, dynasm::unit),
        ],
    );
    let per = (units * INSTRUCTIONS) as f64;
    contest.print("7 templates chosen by `match`, 6 labels a unit", "ns / instruction", per);
    aim_at_most("templates with labels, x memcpy", contest.ratio(STITCHED, MEMCPY).median, 2.5);
    aim_at_least(
        "times faster than dynasm-rs with dynamic labels",
        contest.ratio(DYNAMIC, STITCHED).median,
        4.0,
    );
}

fn straight(units: usize) {
    let unit = seal(|asm| stitched::straight_unit(asm, &UNIT));
    let contest = contest(
        ROUNDS,
        vec![
            memcpy(&unit, units),
            stitched(units, stitched::straight_unit),
            into_vec(units, stitched::straight_unit),
            dynasm_rs(DYNASM, units, dynasm::straight_unit),
        ],
    );
    let per = (units * STRAIGHT_INSTRUCTIONS) as f64;
    contest.print("The same without the jumps", "ns / instruction", per);
    let ratio = contest.ratio(DYNASM, STITCHED);
    println!("dynasm-rs without labels takes {ratio} times as long as the Assembler");
}

fn whole(units: usize) {
    fn ours<S: Sink>(sink: &mut S, ops: &[Op]) {
        let (value, base) = operands(ops);
        stitched::whole_unit(sink, value, base);
    }
    let unit = seal(|asm| stitched::whole_unit(asm, 5, -1000));
    let contest = contest(
        ROUNDS,
        vec![
            memcpy(&unit, units),
            stitched(units, ours),
            into_vec(units, ours),
            dynasm_rs(LOCAL, units, |asm, ops| {
                let (value, base) = operands(ops);
                dynasm::whole_unit(asm, value, base);
            }),
        ],
    );
    let per = (units * INSTRUCTIONS) as f64;
    contest.print("One template with 18 holes, its jumps inside", "ns / instruction", per);
    aim_at_most("one template, x memcpy", contest.ratio(INTO_VEC, MEMCPY).median, 2.5);
    let ratio = contest.ratio(LOCAL, INTO_VEC);
    println!("dynasm-rs with local labels takes {ratio} times as long as the Vec<u8>");
}

/// Units of eight additions, to memory that was touched before.
fn added<'a>(name: &'static str, units: usize, emit: impl Fn(&mut Assembler) + 'a) -> Contestant<'a> {
    let mut kept = Assembler::new();
    Contestant::new(name, move || {
        let mut asm = std::mem::take(&mut kept);
        (0..units).for_each(|_| emit(&mut asm));
        let sealed = asm.seal().expect("there are no labels");
        black_box(sealed.bytes());
        kept = sealed.recycle();
    })
}

fn locations() {
    const LOCATED: &str = "location holes";
    const FIXED: &str = "a template a kind, by `match`";
    const KNOWN: &str = "templates of known kinds";
    let units = CODE / seal(|asm| located::unit(asm, &located::UNIT)).len();
    let contest = contest(
        ROUNDS,
        vec![
            added(KNOWN, units, |asm| located::known_unit(asm, black_box(&located::UNIT))),
            added(FIXED, units, |asm| located::fixed_unit(asm, black_box(&located::UNIT))),
            added(LOCATED, units, |asm| located::unit(asm, black_box(&located::UNIT))),
        ],
    );
    let per = (units * located::INSTRUCTIONS) as f64;
    contest.print("Operands that are registers, memory or constants", "ns / instruction", per);
    aim_at_most("location holes, x a template a kind", contest.ratio(LOCATED, FIXED).median, 1.5);
    println!(
        "location holes take {} times as long as templates of known kinds",
        contest.ratio(LOCATED, KNOWN)
    );
}

/// Two values that are not known when Rust compiles.
fn operands(ops: &[Op]) -> (i64, i32) {
    match ops[0] {
        Op::Constant { dst, value } => (value, dst),
        _ => (0, 0),
    }
}
