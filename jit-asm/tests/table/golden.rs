//! Every form in its long spelling: short rows for the writer, a long list for the reviewer.

use expect_test::expect_file;
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

/// Selection finds the forms of a mnemonic as one run of the table.
#[test]
fn the_rows_of_a_mnemonic_stand_together() {
    let mut seen = std::collections::HashSet::new();
    for run in FORMS.chunk_by(|a, b| a.mnemonic == b.mnemonic) {
        assert!(seen.insert(run[0].mnemonic), "{} has rows in two places", run[0].mnemonic);
    }
}
