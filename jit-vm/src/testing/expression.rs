//! Expressions as trees: an independent meaning of the operators, and code of any nesting.

use super::script::value;
use crate::build::FunctionBuilder;
use crate::error::{ErrorKind, Operands};
use crate::op::Op;
use crate::value::Value;
use arbitrary::Unstructured;
use core::fmt;

/// A tree of operators. Its text is `(add a (mul b 3))`: an operator by its name in the bytecode, or `if`;
/// values, with `MIN` and `MAX` for the ends of the integers; and parameters, `a` to `z`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expr {
    /// A value that stands in the code.
    Value(Value),
    /// A parameter by its number.
    Param(u16),
    /// A unary operator.
    Unary(Op, Box<Expr>),
    /// A binary operator. The left operand is evaluated first.
    Binary(Op, Box<Expr>, Box<Expr>),
    /// The second if the first is true, else the third. It compiles to a branch.
    If(Box<Expr>, Box<Expr>, Box<Expr>),
}

const UNARY: &[Op] = &[Op::Neg, Op::Bnot, Op::Not];
#[rustfmt::skip] // By families.
const BINARY: &[Op] = &[
    Op::Add, Op::Sub, Op::Mul, Op::Div, Op::Rem, Op::Udiv, Op::Urem,
    Op::Band, Op::Bor, Op::Bxor, Op::Shl, Op::Shr, Op::Sar,
    Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge, Op::Ult, Op::Ule, Op::Ugt, Op::Uge,
];

impl Expr {
    /// The unary operators.
    pub const UNARY: &[Op] = UNARY;
    /// The binary operators.
    pub const BINARY: &[Op] = BINARY;

    /// A binary operator.
    #[must_use]
    pub fn binary(op: Op, lhs: Expr, rhs: Expr) -> Expr {
        Expr::Binary(op, Box::new(lhs), Box::new(rhs))
    }

    /// A choice between two.
    #[must_use]
    pub fn choice(condition: Expr, yes: Expr, no: Expr) -> Expr {
        Expr::If(Box::new(condition), Box::new(yes), Box::new(no))
    }

    /// A random tree over `params` parameters, at most `depth` deep.
    ///
    /// # Errors
    /// Those of the source of bytes. An exhausted one gives small trees.
    pub fn arbitrary(u: &mut Unstructured<'_>, params: u16, depth: u32) -> arbitrary::Result<Expr> {
        let sub = |u: &mut Unstructured<'_>| Expr::arbitrary(u, params, depth - 1).map(Box::new);
        let shape = if depth == 0 { u.int_in_range(0..=2)? } else { u.int_in_range(0..=9)? };
        Ok(match shape {
            0 => Expr::Value(interesting(u)?),
            1 | 2 if params > 0 => Expr::Param(u.int_in_range(0..=params - 1)?),
            1 | 2 => Expr::Value(Value::int(u.arbitrary::<i8>()?.into())),
            3 => Expr::Unary(*u.choose(UNARY)?, sub(u)?),
            4 => Expr::If(sub(u)?, sub(u)?, sub(u)?),
            _ => Expr::Binary(*u.choose(BINARY)?, sub(u)?, sub(u)?),
        })
    }

    /// Its value, worked out with 128-bit arithmetic and nothing of what the tiers use.
    ///
    /// # Errors
    /// What the VM would report, without the position.
    ///
    /// # Panics
    /// If an operator is none of [`Expr::UNARY`] or [`Expr::BINARY`].
    pub fn evaluate(&self, arguments: &[Value]) -> Result<Value, ErrorKind> {
        match self {
            Expr::Value(value) => Ok(*value),
            Expr::Param(number) => Ok(arguments[usize::from(*number)]),
            Expr::Unary(op, operand) => unary(*op, operand.evaluate(arguments)?),
            Expr::Binary(op, lhs, rhs) => {
                let lhs = lhs.evaluate(arguments)?;
                binary(*op, lhs, rhs.evaluate(arguments)?)
            }
            Expr::If(condition, yes, no) => {
                let taken = condition.evaluate(arguments)? != Value::bool(false);
                if taken { yes.evaluate(arguments) } else { no.evaluate(arguments) }
            }
        }
    }

    /// Appends the code that pushes its value.
    pub fn emit(&self, f: &mut FunctionBuilder) {
        match self {
            Expr::Value(value) => match (value.as_bool(), value.as_int()) {
                (Some(value), _) => drop(f.bool(value)),
                (None, Some(value)) => drop(f.integer(value)),
                (None, None) => drop(f.constant(*value)),
            },
            Expr::Param(number) => drop(f.get(*number)),
            Expr::Unary(op, operand) => {
                operand.emit(f);
                f.op(*op);
            }
            Expr::Binary(op, lhs, rhs) => {
                lhs.emit(f);
                rhs.emit(f);
                f.op(*op);
            }
            Expr::If(condition, yes, no) => {
                let (otherwise, end) = (f.label(), f.label());
                condition.emit(f);
                f.jump_if_not(otherwise);
                yes.emit(f);
                f.jump(end).place(otherwise);
                no.emit(f);
                f.place(end);
            }
        }
    }

    /// A function of `params` parameters that returns its value.
    #[must_use]
    pub fn function(&self, params: u16) -> FunctionBuilder {
        let mut f = FunctionBuilder::new(params);
        self.emit(&mut f);
        f.ret();
        f
    }

    /// Reads the text of an expression.
    ///
    /// # Errors
    /// Where the text is no expression, and what would do.
    pub fn parse(text: &str) -> Result<Expr, ExprError> {
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        let mut words = spaced.split_whitespace();
        let expr = parse(&mut words)?;
        match words.next() {
            None => Ok(expr),
            Some(word) => Err(ExprError(format!("`{word}` stands behind the end of the expression"))),
        }
    }
}

fn parse<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<Expr, ExprError> {
    let mut next = |what: &str| words.next().ok_or_else(|| ExprError(format!("the text ends before {what}")));
    let word = next("an expression")?;
    if word != "(" {
        return match word.as_bytes() {
            [letter @ b'a'..=b'z'] => Ok(Expr::Param(u16::from(letter - b'a'))),
            _ => value(word).map(Expr::Value).map_err(ExprError),
        };
    }
    let name = next("an operator")?;
    let op = Op::new(name, None).filter(|op| UNARY.contains(op) || BINARY.contains(op));
    let expr = match op {
        None if name == "if" => Expr::choice(parse(words)?, parse(words)?, parse(words)?),
        None => return Err(ExprError(format!("`{name}` is no operator; use `if`, `neg`, `add`, ..."))),
        Some(op) if UNARY.contains(&op) => Expr::Unary(op, Box::new(parse(words)?)),
        Some(op) => Expr::binary(op, parse(words)?, parse(words)?),
    };
    match words.next() {
        Some(")") => Ok(expr),
        other => Err(ExprError(format!("expected `)` after the operands of `{name}`, found {other:?}"))),
    }
}

/// An expression, what it is applied to, and what must come out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExprCase {
    /// The expression.
    pub expr: Expr,
    /// The values of its parameters.
    pub arguments: Vec<Value>,
    /// `= VALUE`, or `!` and the error without its position.
    pub expected: String,
}

impl ExprCase {
    /// Reads a file of them, one a line: `(add a b) with 1 2 = 3`, or `(div 1 0) ! div by zero`. Empty
    /// lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// The first line that is none, by its number.
    pub fn parse_all(text: &str) -> Result<Vec<ExprCase>, ExprError> {
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        lines
            .map(|(number, line)| case(line).map_err(|ExprError(e)| ExprError(format!("line {number}: {e}"))))
            .collect()
    }
}

fn case(line: &str) -> Result<ExprCase, ExprError> {
    let at = line.find(['=', '!']).ok_or_else(|| ExprError("add ` = VALUE` or ` ! ERROR`".to_owned()))?;
    let (call, expected) = line.split_at(at);
    let (expr, arguments) = call.split_once(" with ").unwrap_or((call, ""));
    let arguments = arguments.split_whitespace().map(value).collect::<Result<_, _>>();
    Ok(ExprCase {
        expr: Expr::parse(expr)?,
        arguments: arguments.map_err(ExprError)?,
        expected: expected.to_owned(),
    })
}

/// Why a text is no expression.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExprError(pub String);

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for ExprError {}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Value(value) => write!(f, "{value}"),
            Expr::Param(number) => match u8::try_from(*number) {
                Ok(n @ 0..=25) => write!(f, "{}", char::from(b'a' + n)),
                _ => write!(f, "?{number}"),
            },
            Expr::Unary(op, operand) => write!(f, "({} {operand})", op.info().name),
            Expr::Binary(op, lhs, rhs) => write!(f, "({} {lhs} {rhs})", op.info().name),
            Expr::If(condition, yes, no) => write!(f, "(if {condition} {yes} {no})"),
        }
    }
}

/// Values at which operators have corners, and some that have none.
pub(super) fn interesting(u: &mut Unstructured<'_>) -> arbitrary::Result<Value> {
    let edges = [0, 1, -1, 2, 63, 64, 65, i64::MIN, i64::MAX, i64::from(i32::MIN), i64::from(i32::MAX) + 1];
    Ok(match u.int_in_range(0..=9)? {
        0..=3 => Value::int(*u.choose(&edges)?),
        4 => Value::bool(u.arbitrary()?),
        5 => Value::int(u.arbitrary()?),
        _ => Value::int(u.arbitrary::<i8>()?.into()),
    })
}

/// The low 64 bits as an integer.
fn low(wide: i128) -> Value {
    Value::int((wide & 0xffff_ffff_ffff_ffff) as u64 as i64)
}

pub(super) fn unary(op: Op, operand: Value) -> Result<Value, ErrorKind> {
    match (op, operand.as_int()) {
        (Op::Not, _) => Ok(Value::bool(operand == Value::bool(false))),
        (_, None) => Err(ErrorKind::TypeMismatch { op, operands: Operands::One(operand.kind()) }),
        (Op::Neg, Some(value)) => Ok(low(-i128::from(value))),
        (Op::Bnot, Some(value)) => Ok(low(-1 - i128::from(value))),
        _ => panic!("{op:?} is no unary operator"),
    }
}

pub(super) fn binary(op: Op, lhs: Value, rhs: Value) -> Result<Value, ErrorKind> {
    let same = lhs.kind() == rhs.kind() && lhs.payload() == rhs.payload();
    let (l, r) = match (op, lhs.as_int(), rhs.as_int()) {
        (Op::Eq, ..) => return Ok(Value::bool(same)),
        (Op::Ne, ..) => return Ok(Value::bool(!same)),
        (_, Some(l), Some(r)) => (i128::from(l), i128::from(r)),
        _ => return Err(ErrorKind::TypeMismatch { op, operands: Operands::Two(lhs.kind(), rhs.kind()) }),
    };
    const WORD: i128 = 1 << 64;
    let (ul, ur) = (l.rem_euclid(WORD), r.rem_euclid(WORD));
    if r == 0 && matches!(op, Op::Div | Op::Rem | Op::Udiv | Op::Urem) {
        return Err(ErrorKind::DivisionByZero { op });
    }
    // Bit by bit, for the operators that are of bits.
    let bits =
        |of: fn(i128, i128) -> i128| low((0..64).map(|i| of(ul >> i & 1, ur >> i & 1) << i).sum::<i128>());
    // One place at a time; what is beyond 64 places is as far as anything can go.
    let shifted = |from: i128, step: fn(i128) -> i128| low((0..ur.min(64)).fold(from, |v, _| step(v)));
    Ok(match op {
        Op::Add => low(l + r),
        Op::Sub => low(l - r),
        Op::Mul => low(l * r),
        Op::Div => low(l / r),
        Op::Rem => low(l - l / r * r),
        Op::Udiv => low(ul / ur),
        Op::Urem => low(ul - ul / ur * ur),
        Op::Band => bits(|a, b| a * b),
        Op::Bor => bits(|a, b| a + b - a * b),
        Op::Bxor => bits(|a, b| (a + b) % 2),
        Op::Shl => shifted(ul, |v| v * 2 % WORD),
        Op::Shr => shifted(ul, |v| v / 2),
        Op::Sar => shifted(l, |v| v.div_euclid(2)),
        Op::Lt => Value::bool(l < r),
        Op::Le => Value::bool(l <= r),
        Op::Gt => Value::bool(l > r),
        Op::Ge => Value::bool(l >= r),
        Op::Ult => Value::bool(ul < ur),
        Op::Ule => Value::bool(ul <= ur),
        Op::Ugt => Value::bool(ul > ur),
        Op::Uge => Value::bool(ul >= ur),
        _ => panic!("{op:?} is no binary operator"),
    })
}
