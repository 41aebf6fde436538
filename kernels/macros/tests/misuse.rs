//! What a user may get wrong in a handler crate, and what the compiler then says, at the user's line.

#[test]
#[cfg_attr(miri, ignore = "starts compilers")]
fn misuse_is_explained() {
    trybuild::TestCases::new().compile_fail("tests/misuse/*.rs");
}
