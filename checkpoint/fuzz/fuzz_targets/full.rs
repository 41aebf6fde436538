//! A file that should hold a checkpoint.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| resident_checkpoint_fuzz::exercise::full(input));
