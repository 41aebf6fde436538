//! Compiles this crate's handlers for the GPU.
fn main() {
    resident_build::handlers();
}
