//! The bytecode, defined once.
//!
//! Five readers must agree about an instruction: the verifier, the interpreter, the compilers, the text
//! form and the reference. So the table `for_each_op!` says everything that is not the meaning itself:
//! the variant, the name, the operand, how many values it pops and pushes, where control goes, what it
//! can throw, and one sentence. The enum [`Op`], the list [`OPS`], the methods of the builder and the
//! text form are derived from it; the meaning of the operators is in [`crate::semantics`].
//!
//! Invariants: an instruction is eight bytes, with an operand of at most 32 bits; wider constants stand in
//! the pool of their function. A position (`pc`) is an index of instructions, not of bytes, so no jump
//! can land inside one. An operand is just a number until [`Module::verify`](crate::Module::verify) has
//! looked at it.
//!
//! Cost: eight bytes an instruction where a byte stream would need two or three; in return nothing is
//! ever decoded.

use core::fmt;

/// The number of a function in its module.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FuncId(pub u32);

impl FuncId {
    /// As an index.
    #[must_use]
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The number of a constant in the pool of its function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConstId(pub u32);

/// The position a jump goes to, as an index of instructions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Target(pub u32);

/// Pops of [`call`](Op::Call): as many values as the callee has parameters.
const ARGUMENTS: u8 = u8::MAX;

/// Calls `$then!` with every instruction: its sentences, the variant, the name, the operand, the values
/// popped and pushed, the control flow and the errors.
macro_rules! for_each_op {
    ($then:ident) => {
        $then! {
            /// Pushes the integer `value`.
            Int int(value: i32) [0 => 1] Next {}
            /// Pushes a value of the constant pool: an integer that `int` has no room for.
            Constant constant(index: ConstId) [0 => 1] Next {}
            /// Pushes `true` or `false`.
            Bool bool(value: bool) [0 => 1] Next {}
            /// Pushes a local.
            Get get(local: u16) [0 => 1] Next {}
            /// Pops into a local.
            Set set(local: u16) [1 => 0] Next {}
            /// Copies the top into a local and leaves it where it is.
            Tee tee(local: u16) [1 => 1] Next {}
            /// Drops the top.
            Pop pop [1 => 0] Next {}
            /// Pushes the top once more.
            Dup dup [1 => 2] Next {}
            /// Exchanges the two topmost values.
            Swap swap [2 => 2] Next {}

            /// Sum of two integers, wrapping.
            Add add [2 => 1] Next { TypeMismatch }
            /// Difference of two integers, wrapping.
            Sub sub [2 => 1] Next { TypeMismatch }
            /// Product of two integers, wrapping.
            Mul mul [2 => 1] Next { TypeMismatch }
            /// Signed quotient, truncated towards zero; MIN / -1 is MIN.
            Div div [2 => 1] Next { TypeMismatch DivisionByZero }
            /// Remainder of `div`, with the sign of the dividend; MIN % -1 is 0.
            Rem rem [2 => 1] Next { TypeMismatch DivisionByZero }
            /// Quotient of two integers read as unsigned.
            Udiv udiv [2 => 1] Next { TypeMismatch DivisionByZero }
            /// Remainder of `udiv`.
            Urem urem [2 => 1] Next { TypeMismatch DivisionByZero }
            /// Negated integer, wrapping; the negation of MIN is MIN.
            Neg neg [1 => 1] Next { TypeMismatch }

            /// Bitwise and of two integers.
            Band band [2 => 1] Next { TypeMismatch }
            /// Bitwise or of two integers.
            Bor bor [2 => 1] Next { TypeMismatch }
            /// Bitwise exclusive or of two integers.
            Bxor bxor [2 => 1] Next { TypeMismatch }
            /// Bitwise complement of an integer.
            Bnot bnot [1 => 1] Next { TypeMismatch }
            /// Shift to the left; the count is read as unsigned, and 64 or more gives 0.
            Shl shl [2 => 1] Next { TypeMismatch }
            /// Shift to the right, filling with zeros; the count is read as unsigned, and 64 or more gives 0.
            Shr shr [2 => 1] Next { TypeMismatch }
            /// Shift to the right, filling with the sign; the count is read as unsigned, and 64 or more
            /// gives the sign alone, 0 or -1.
            Sar sar [2 => 1] Next { TypeMismatch }

            /// Whether two values are equal; values of different kinds are not.
            Eq eq [2 => 1] Next {}
            /// Whether two values differ; values of different kinds do.
            Ne ne [2 => 1] Next {}
            /// Signed less than.
            Lt lt [2 => 1] Next { TypeMismatch }
            /// Signed less than or equal.
            Le le [2 => 1] Next { TypeMismatch }
            /// Signed greater than.
            Gt gt [2 => 1] Next { TypeMismatch }
            /// Signed greater than or equal.
            Ge ge [2 => 1] Next { TypeMismatch }
            /// Unsigned less than.
            Ult ult [2 => 1] Next { TypeMismatch }
            /// Unsigned less than or equal.
            Ule ule [2 => 1] Next { TypeMismatch }
            /// Unsigned greater than.
            Ugt ugt [2 => 1] Next { TypeMismatch }
            /// Unsigned greater than or equal.
            Uge uge [2 => 1] Next { TypeMismatch }
            /// `true` for `false`, and `false` for any other value.
            Not not [1 => 1] Next {}

            /// Goes on at `target`.
            Jump jump(target: Target) [0 => 0] Jump {}
            /// Pops, and goes on at `target` unless it was `false`.
            JumpIf jump_if(target: Target) [1 => 0] Branch {}
            /// Pops, and goes on at `target` if it was `false`.
            JumpIfNot jump_if_not(target: Target) [1 => 0] Branch {}
            /// Calls `callee` with the topmost values as arguments, the last on top, and pushes its
            /// result in their place. It throws what the callee throws.
            Call call(callee: FuncId) [ARGUMENTS => 1] Next { StackOverflow }
            /// Leaves the function with the top as its result; what lies below is dropped.
            Ret ret [1 => 0] Return {}
        }
    };
}
pub(crate) use for_each_op;

/// What stands behind the name of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operand {
    /// An integer that is pushed.
    Int(i32),
    /// A boolean that is pushed.
    Bool(bool),
    /// A constant of the pool.
    Constant(ConstId),
    /// A local.
    Local(u16),
    /// A position of this function.
    Target(Target),
    /// A function of the module.
    Function(FuncId),
}

/// The kinds of [`Operand`], without the value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // as in Operand
pub enum OperandKind {
    Int,
    Bool,
    Constant,
    Local,
    Target,
    Function,
}

/// What it reads like in a sentence.
impl fmt::Display for OperandKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            OperandKind::Int => "an integer of 32 bits",
            OperandKind::Bool => "`true` or `false`",
            OperandKind::Constant => "a constant",
            OperandKind::Local => "the number of a local",
            OperandKind::Target => "a label",
            OperandKind::Function => "the name of a function",
        })
    }
}

/// A Rust type that stands for one kind of operand.
trait IsOperand: Sized {
    const KIND: OperandKind;
    fn wrap(self) -> Operand;
    fn unwrap(operand: Operand) -> Option<Self>;
}

macro_rules! operand_types {
    ($($ty:ty => $kind:ident),*) => {$(
        impl IsOperand for $ty {
            const KIND: OperandKind = OperandKind::$kind;
            fn wrap(self) -> Operand { Operand::$kind(self) }
            fn unwrap(operand: Operand) -> Option<$ty> {
                if let Operand::$kind(value) = operand { Some(value) } else { None }
            }
        }
    )*};
}
operand_types!(i32 => Int, bool => Bool, ConstId => Constant, u16 => Local, Target => Target, FuncId => Function);

/// Where control goes after an instruction that does not throw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// To the next one.
    Next,
    /// To its target.
    Jump,
    /// To its target or to the next one.
    Branch,
    /// Back to the caller.
    Return,
}

/// A row of the table: what is known of an instruction without its operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpInfo {
    /// Its name in the text form.
    pub name: &'static str,
    /// Its operand's kind and role.
    pub operand: Option<(OperandKind, &'static str)>,
    /// Values popped; `None` for a call, where the callee's declaration says it.
    pub pops: Option<u8>,
    /// Values pushed.
    pub pushes: u8,
    /// Where control goes.
    pub flow: Flow,
    /// The errors it can be the cause of, by the names of [`ErrorKind`](crate::ErrorKind).
    pub throws: &'static [&'static str],
    /// What it does.
    pub doc: &'static str,
}

/// `None`, or `Some` of what is given.
macro_rules! optional {
    () => {
        None
    };
    ($some:expr) => {
        Some($some)
    };
}

macro_rules! define_ops {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident $name:ident $(($operand:ident: $ty:ty))? [$pops:expr => $pushes:expr]
        $flow:ident {$($throws:ident)*}
    )*) => {
        /// An instruction: eight bytes, with its operand in place.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Op {
            $(
                $(#[doc = $doc])+
                #[doc = concat!("\n\nPops ", stringify!($pops), ", pushes ", stringify!($pushes), ".")]
                $variant $(($ty))?,
            )*
        }

        /// The table of the bytecode, a row an instruction, in the order of [`Op`].
        pub const OPS: &[OpInfo] = &[$(
            OpInfo {
                name: stringify!($name),
                operand: optional!($((<$ty as IsOperand>::KIND, stringify!($operand)))?),
                pops: if $pops == ARGUMENTS { None } else { Some($pops) },
                pushes: $pushes,
                flow: Flow::$flow,
                throws: &[$(stringify!($throws)),*],
                doc: concat!($($doc),+),
            },
        )*];

        /// The variants without operands; their numbers are indices of [`OPS`].
        enum Row { $($variant),* }

        impl Op {
            /// Its row in the table.
            #[must_use]
            pub const fn info(self) -> &'static OpInfo {
                let row = match self { $(Op::$variant { .. } => Row::$variant),* };
                &OPS[row as usize]
            }

            /// Its operand.
            #[must_use]
            pub fn operand(self) -> Option<Operand> {
                match self { $(Op::$variant $(($operand))? => optional!($($operand.wrap())?)),* }
            }

            /// The instruction with this name and operand, if there is such a one.
            #[must_use]
            pub fn new(name: &str, operand: Option<Operand>) -> Option<Op> {
                let op = match name {
                    $(stringify!($name) => Op::$variant $((<$ty as IsOperand>::unwrap(operand?)?))?,)*
                    _ => return None,
                };
                (op.operand() == operand).then_some(op)
            }
        }
    };
}
for_each_op!(define_ops);

const _: () = assert!(size_of::<Op>() == 8);

impl Op {
    /// The position it may jump to.
    #[must_use]
    #[inline]
    pub const fn target(self) -> Option<u32> {
        match self {
            Op::Jump(t) | Op::JumpIf(t) | Op::JumpIfNot(t) => Some(t.0),
            _ => None,
        }
    }
}

/// The reference of the bytecode as a table in Markdown, one line an instruction.
#[must_use]
pub fn reference() -> String {
    let mut text =
        String::from("| instruction | pops | pushes | may throw | what it does |\n|---|---|---|---|---|\n");
    for op in OPS {
        let operand = op.operand.map_or(String::new(), |(_, role)| format!(" {role}"));
        let pops = op.pops.map_or("its arguments".to_owned(), |n| n.to_string());
        text += &format!(
            "| `{}{operand}` | {pops} | {} | {} |{} |\n",
            op.name,
            op.pushes,
            op.throws.join(", "),
            op.doc
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_operands_make_the_instruction_again() {
        for op in
            [Op::Int(-7), Op::Bool(true), Op::Get(300), Op::Jump(Target(9)), Op::Call(FuncId(2)), Op::Ret]
        {
            assert_eq!(Op::new(op.info().name, op.operand()), Some(op));
        }
        assert_eq!(Op::new("add", Some(Operand::Int(1))), None);
        assert_eq!(Op::new("get", Some(Operand::Int(1))), None);
        assert_eq!(Op::new("get", None), None);
        assert_eq!(Op::new("frobnicate", None), None);
    }

    /// The page is written by `UPDATE_EXPECT=1`, and is also what a reviewer of a change reads.
    #[test]
    fn the_reference_is_up_to_date() {
        let head = "# The bytecode\n\nA stack machine over 64-bit integers and booleans. This page is printed from \
            the table in `jit-vm/src/op.rs`;\nthe meaning of the operators is in `jit-vm/src/semantics.rs`, and \
            the text form in `jit-vm/src/text/mod.rs`.\n\n";
        expect_test::expect_file!["../../docs/bytecode.md"].assert_eq(&(head.to_owned() + &reference()));
    }

    #[test]
    fn a_target_is_what_the_flow_says() {
        for op in [Op::Jump(Target(1)), Op::JumpIf(Target(1)), Op::JumpIfNot(Target(1)), Op::Ret, Op::Add] {
            let jumps = matches!(op.info().flow, Flow::Jump | Flow::Branch);
            assert_eq!(op.target().is_some(), jumps, "{op:?}");
            assert_eq!(matches!(op.operand(), Some(Operand::Target(_))), jumps, "{op:?}");
        }
    }
}
