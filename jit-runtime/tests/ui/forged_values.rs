//! Nobody but the crate says where values are, what is returned and what is called: code would believe any answer.

use jit_runtime::abi::{AbiReturn, Argument, Callee, Kind, Passed, Place, Returned, Target};
use jit_runtime::abi::{VariableArgument, VariableArguments};

struct Mine;

impl AbiReturn for Mine {
    type Values = ();
    const KINDS: &'static [Kind] = &[];

    fn values() {}
}

impl Passed<(i64,)> for Mine {
    fn places(&self) -> Vec<Place> {
        vec![]
    }
}

impl Returned<i64> for Mine {
    fn places(&self) -> Vec<Place> {
        vec![]
    }
}

impl Argument<f64> for Mine {
    fn place(&self) -> Place {
        Place::Constant(0)
    }
}

impl Callee<extern "C" fn(f64)> for Mine {
    fn target(&self) -> Target {
        extern "C" fn other(_: i64) {}
        Callee::<extern "C" fn(i64)>::target(&(other as extern "C" fn(i64)))
    }
}

impl VariableArgument for Mine {
    const KIND: Kind = Kind::F32;

    fn place(&self) -> Place {
        Place::Constant(0)
    }
}

impl VariableArguments for Mine {
    fn all(&self) -> Vec<(Kind, Place)> {
        vec![]
    }
}

fn main() {}
