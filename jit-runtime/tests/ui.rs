//! What types refuse, and what rustc says then. Bless with `TRYBUILD=overwrite`.
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]

#[test]
fn wrong_calls_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
