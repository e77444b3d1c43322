//! Every form in its long spelling: short rows for the writer, a long list for the reviewer.

use expect_test::expect_file;
use jit_asm::x64::nops;
use jit_asm::x64::rows::{FAMILIES, FORMS};

#[test]
fn forms() {
    let rows: usize = FAMILIES.iter().map(|family| family.len()).sum();
    let mut text = format!("{} forms from {rows} rows\n\n", FORMS.len());
    for form in &FORMS {
        text += &format!("{form}\n");
    }
    expect_file!["forms.txt"].assert_eq(&text);
}

/// The padding of the contract is what the table makes of the manual's sequence.
#[test]
fn padding() {
    for (bytes, nop) in jit_asm::padding::NOPS.iter().enumerate() {
        let table: Vec<u8> = nops(bytes).iter().flat_map(|insn| insn.bytes().to_vec()).collect();
        assert_eq!(**nop, table, "{bytes}");
    }
}
