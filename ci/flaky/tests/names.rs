//! A program that ends with a summary.

#[test]
fn fails_once() {
    println!("said by the test");
    assert!(tried::before("fails"), "the first time");
}

#[test]
#[should_panic]
fn panics_but_once() {
    assert!(!tried::before("panics"));
}

#[test]
fn fails_if_asked() {
    assert!(std::env::var_os("TRIED_FAILS").is_none());
}
