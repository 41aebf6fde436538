//! Prints `kernels/cuda/wire.h`.
fn main() {
    let mut text = String::new();
    resident_kernels::wire::c_header(&mut text).expect("a String takes everything");
    print!("{text}");
}
