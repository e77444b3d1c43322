//! What the operators mean, on whole values, for every tier.
//!
//! The interpreter runs these functions; a compiler calls them on its slow paths and to fold constants;
//! so a corner like `MIN / -1` or a shift by 64 is decided here and nowhere else.
//!
//! Cost: the functions are inlined, and where the operator is a constant only its arm is left.

use crate::error::{ErrorKind, Operands};
use crate::op::Op;
use crate::value::Value;

/// The value of a binary operator.
///
/// # Errors
/// A kind that the operator is not defined for, or a divisor of zero.
///
/// # Panics
/// If `op` is not an instruction that pops two values and pushes one.
#[inline(always)]
pub fn binary(op: Op, lhs: Value, rhs: Value) -> Result<Value, ErrorKind> {
    match op {
        Op::Eq => return Ok(Value::bool(lhs == rhs)),
        Op::Ne => return Ok(Value::bool(lhs != rhs)),
        _ => {}
    }
    let (Some(l), Some(r)) = (lhs.as_int(), rhs.as_int()) else {
        return Err(mismatch(op, lhs, rhs));
    };
    integers(op, l, r)
}

/// A binary operator on two integers, other than the equalities.
#[rustfmt::skip] // Operators of one sort, one line.
#[inline(always)]
fn integers(op: Op, l: i64, r: i64) -> Result<Value, ErrorKind> {
    let (ul, ur) = (l as u64, r as u64);
    let int = |value: i64| Ok(Value::int(value));
    let bool = |value: bool| Ok(Value::bool(value));
    if r == 0 && matches!(op, Op::Div | Op::Rem | Op::Udiv | Op::Urem) {
        return Err(ErrorKind::DivisionByZero { op });
    }
    match op {
        Op::Add => int(l.wrapping_add(r)),
        Op::Sub => int(l.wrapping_sub(r)),
        Op::Mul => int(l.wrapping_mul(r)),
        Op::Div => int(l.wrapping_div(r)),
        Op::Rem => int(l.wrapping_rem(r)),
        Op::Udiv => int((ul / ur) as i64),
        Op::Urem => int((ul % ur) as i64),
        Op::Band => int(l & r),
        Op::Bor => int(l | r),
        Op::Bxor => int(l ^ r),
        Op::Shl => int(if ur < 64 { l << ur } else { 0 }),
        Op::Shr => int(if ur < 64 { (ul >> ur) as i64 } else { 0 }),
        Op::Sar => int(l >> ur.min(63)),
        Op::Lt => bool(l < r),
        Op::Le => bool(l <= r),
        Op::Gt => bool(l > r),
        Op::Ge => bool(l >= r),
        Op::Ult => bool(ul < ur),
        Op::Ule => bool(ul <= ur),
        Op::Ugt => bool(ul > ur),
        Op::Uge => bool(ul >= ur),
        // The others, by name: so the compiler asks for the meaning of a new operator.
        Op::Int(_) | Op::Constant(_) | Op::Bool(_) | Op::Get(_) | Op::Set(_) | Op::Tee(_)
        | Op::Pop | Op::Dup | Op::Swap | Op::Neg | Op::Bnot | Op::Not | Op::Eq | Op::Ne
        | Op::Jump(_) | Op::JumpIf(_) | Op::JumpIfNot(_) | Op::Call(_) | Op::Ret => {
            unreachable!("{op:?} is no binary operator")
        }
    }
}

/// The value of a unary operator.
///
/// # Errors
/// A kind that the operator is not defined for.
///
/// # Panics
/// If `op` is not `neg`, `bnot` or `not`.
#[inline(always)]
pub fn unary(op: Op, operand: Value) -> Result<Value, ErrorKind> {
    if op == Op::Not {
        return Ok(Value::bool(!operand.is_true()));
    }
    let Some(value) = operand.as_int() else {
        return Err(ErrorKind::TypeMismatch { op, operands: Operands::One(operand.kind()) });
    };
    match op {
        Op::Neg => Ok(Value::int(value.wrapping_neg())),
        Op::Bnot => Ok(Value::int(!value)),
        _ => unreachable!("{op:?} is no unary operator"),
    }
}

#[cold]
fn mismatch(op: Op, lhs: Value, rhs: Value) -> ErrorKind {
    ErrorKind::TypeMismatch { op, operands: Operands::Two(lhs.kind(), rhs.kind()) }
}
