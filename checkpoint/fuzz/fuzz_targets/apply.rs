//! A delta applied to the checkpoint that it says it is for.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| resident_checkpoint_fuzz::exercise::apply(input));
