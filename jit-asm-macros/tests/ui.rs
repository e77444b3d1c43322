//! Every kind of mistake, and what rustc then says: `ui/*.stderr`. `TRYBUILD=overwrite` blesses.

#[test]
fn mistakes_are_explained_where_they_are() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
