//! The workload for location holes: eight additions whose operands are registers, slots near and far, elements and
//! constants, once through location holes and once through a template a kind, chosen by `match`.
//!
//! Both get the same operands and give the same bytes: they decide the same, the one inside the template and the
//! other outside.

use jit_runtime::{Address, Gpr, Rmi, Scale, Sink, templates};

/// Instructions of one unit.
pub const INSTRUCTIONS: usize = 16;

const fn slot(disp: i32) -> Rmi {
    Rmi::Mem(Address::new(Gpr::Rbp, disp))
}

const ELEMENT: Rmi = match Gpr::Rcx.index() {
    Some(index) => Rmi::Mem(Address::new(Gpr::Rdi, 16).with_index(index, Scale::X8)),
    None => panic!("rcx can be an index"),
};

/// The operands of one unit.
pub const UNIT: [Rmi; 8] = [
    Rmi::Reg(Gpr::R9),
    slot(-16),
    Rmi::Imm(1),
    slot(-1024),
    Rmi::Reg(Gpr::Rdx),
    ELEMENT,
    slot(-24),
    Rmi::Imm(100_000),
];

templates! {
    fn any(dst: Gpr, src: Rmi) = x64!< add {dst: r64}, {src: rmi64}; mov [rbp - 8], rax >;

    fn register(dst: Gpr, src: Gpr) = x64!< add {dst: r64}, {src: r64}; mov [rbp - 8], rax >;
    fn near(dst: Gpr, base: Gpr, disp: i8) = x64!< add {dst: r64}, [{base: r64} + {disp: i8}]; mov [rbp - 8], rax >;
    fn far(dst: Gpr, base: Gpr, disp: i32) = x64!< add {dst: r64}, [{base: r64} + {disp}]; mov [rbp - 8], rax >;
    fn small(dst: Gpr, value: i8) = x64!< add {dst: r64}, {value: i8}; mov [rbp - 8], rax >;
    fn large(dst: Gpr, value: i32) = x64!< add {dst: r64}, {value}; mov [rbp - 8], rax >;
    fn element(dst: Gpr, base: Gpr, index: jit_runtime::IndexGpr, disp: i8) = x64!<
        add {dst: r64}, [{base: r64} + {index: r64}*8 + {disp: i8}]; mov [rbp - 8], rax
    >;
}

/// One unit through location holes.
pub fn unit(sink: &mut impl Sink, operands: &[Rmi]) {
    operands.iter().for_each(|&src| any(sink, Gpr::Rax, src));
}

/// One unit through a template for each kind of operand. Only the scale of [`UNIT`] is known to it.
pub fn fixed_unit(sink: &mut impl Sink, operands: &[Rmi]) {
    let short = |value: i32| i8::try_from(value);
    for &src in operands {
        match src {
            Rmi::Reg(src) => register(sink, Gpr::Rax, src),
            Rmi::Imm(value) => match short(value) {
                Ok(value) => small(sink, Gpr::Rax, value),
                Err(_) => large(sink, Gpr::Rax, value),
            },
            Rmi::Mem(Address { base, index: None, disp }) => match short(disp) {
                Ok(disp) => near(sink, Gpr::Rax, base, disp),
                Err(_) => far(sink, Gpr::Rax, base, disp),
            },
            Rmi::Mem(Address { base, index: Some((index, _)), disp }) => {
                element(sink, Gpr::Rax, base, index, disp as i8);
            }
        }
    }
}

/// The instructions of [`UNIT`] as templates whose kinds are known in advance: nothing is decided when they are
/// emitted, but the values are.
pub fn known_unit(sink: &mut impl Sink, operands: &[Rmi]) {
    let [
        Rmi::Reg(a),
        Rmi::Mem(b),
        Rmi::Imm(c),
        Rmi::Mem(d),
        Rmi::Reg(e),
        Rmi::Mem(f),
        Rmi::Mem(g),
        Rmi::Imm(h),
    ] = operands[..]
    else {
        panic!("these are the kinds of the unit")
    };
    let index = f.index.map_or(Gpr::Rcx.index().expect("not rsp"), |(index, _)| index);
    register(sink, Gpr::Rax, a);
    near(sink, Gpr::Rax, b.base, b.disp as i8);
    small(sink, Gpr::Rax, c as i8);
    far(sink, Gpr::Rax, d.base, d.disp);
    register(sink, Gpr::Rax, e);
    element(sink, Gpr::Rax, f.base, index, f.disp as i8);
    near(sink, Gpr::Rax, g.base, g.disp as i8);
    large(sink, Gpr::Rax, h);
}
