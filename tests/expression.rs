//! The example `expression`: its values against Rust's, and what it says about wrong text.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

#[path = "../examples/expression.rs"]
#[allow(dead_code)] // its `main`
mod expression;

use arbtest::arbitrary::{Result, Unstructured};
use expect_test::expect;
use expression::{Variables, evaluate};
use jit_runtime::memory::CodeHeap;
use std::fmt::Write;

fn heap() -> CodeHeap {
    CodeHeap::probe().expect("Linux on x86-64")
}

/// Write an expression that binds at least as strongly as `level`, and compute its value.
fn random(u: &mut Unstructured<'_>, text: &mut String, level: u32, depth: u32) -> Result<f64> {
    let kind = if depth == 0 { u.int_in_range(0..=1)? } else { u.int_in_range(0..=7)? };
    Ok(match kind {
        0 => {
            let value = f64::from(u.int_in_range(0..=999)?) / 8.0;
            write!(text, "{value}").expect("a string");
            value
        }
        1 => {
            let (name, value) = *u.choose(&[("a", 0.5), ("b2", -3.0), ("ce", 1e300)])?;
            text.push_str(name);
            value
        }
        2 => {
            text.push_str("- ");
            -random(u, text, 2, depth - 1)?
        }
        3..=5 => {
            let (sign, own) = *u.choose(&[('+', 0), ('-', 0), ('*', 1), ('/', 1)])?;
            if own < level {
                text.push('(');
            }
            let left = random(u, text, own, depth - 1)?;
            write!(text, " {sign}").expect("a string");
            let right = random(u, text, own + 1, depth - 1)?;
            if own < level {
                text.push(')');
            }
            match sign {
                '+' => left + right,
                '-' => left - right,
                '*' => left * right,
                _ => left / right,
            }
        }
        _ => {
            text.push('(');
            let value = random(u, text, 0, depth - 1)?;
            text.push(')');
            value
        }
    })
}

#[test]
fn random_expressions() {
    let heap = heap();
    let names = ["a", "b2", "ce"].map(String::from).to_vec();
    let mut variables: Variables = (names, vec![0.5, -3.0, 1e300]);
    arbtest::arbtest(|u| {
        let mut text = String::new();
        let expected = random(u, &mut text, 0, 5)?;
        if text.len() <= 1000 {
            let (value, _) = evaluate(&text, &mut variables, &heap).unwrap_or_else(|e| panic!("{e}"));
            assert!(
                value.to_bits() == expected.to_bits() || value.is_nan() && expected.is_nan(),
                "{text}: {value}, and {expected} in Rust"
            );
        }
        Ok(())
    });
}

#[test]
fn variables_are_kept() {
    let heap = heap();
    let mut variables = Variables::default();
    let mut value = |text| evaluate(text, &mut variables, &heap).map(|(value, _)| value);
    assert_eq!(value("x = 2"), Ok(2.0));
    assert_eq!(value("y=x*x+1"), Ok(5.0));
    assert_eq!(value(" x = x - y "), Ok(-3.0));
    assert_eq!(value("x*y"), Ok(-15.0));
    assert!(value("x = z").is_err());
    assert_eq!(value("x"), Ok(-3.0));
}

#[test]
fn wrong_text() {
    let heap = heap();
    let mut said = String::new();
    let deep = (1..17).map(|n| format!("{n}+(")).collect::<String>();
    let long = "(".repeat(1001);
    for text in ["1 +", "2 3", "(1", "x", "a b = 1", "= 2", "1.2.3", "é", "nan", "1 % 2", "", &deep, &long] {
        let error = evaluate(text, &mut Variables::default(), &heap).expect_err("a mistake");
        writeln!(said, "{}", error.replace(&long, "(((..").replace(&" ".repeat(900), "")).expect("a string");
    }
    expect![[r#"
        1 +
           ^ a number, a variable, `-` or `(` is wanted
        2 3
          ^ an operator is wanted
        (1
          ^ `)` is missing
        x
        ^ `x` has no value yet; `x = 1` gives it one
        a b = 1
             ^ the name in front of `=` is a letter, then letters and digits
        = 2
         ^ the name in front of `=` is a letter, then letters and digits
        1.2.3
        ^ a number, a variable, `-` or `(` is wanted
        é
        ^ `é` has no value yet; `é = 1` gives it one
        nan
        ^ `nan` has no value yet; `nan = 1` gives it one
        1 % 2
          ^ an operator is wanted

        ^ a number, a variable, `-` or `(` is wanted
        1+(2+(3+(4+(5+(6+(7+(8+(9+(10+(11+(12+(13+(14+(15+(16+(
                                                              ^ too deep: put a part into a variable
        (((..
        ^ more than 1000 bytes: put a part into a variable
    "#]]
    .assert_eq(&said);
}

/// It is the first thing that a newcomer reads.
#[test]
fn the_example_is_short() {
    let lines = include_str!("../examples/expression.rs").lines().count();
    assert!(lines < 150, "{lines} lines");
}
