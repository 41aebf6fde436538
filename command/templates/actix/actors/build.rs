//! Compiles the handlers for the GPU.
fn main() {
    resident_build::handlers();
}
