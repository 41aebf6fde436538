//! A program that ends without a summary.

#[test]
fn aborts_once() {
    if !tried::before("aborts") {
        std::process::abort();
    }
}
