//! A delta applied to the checkpoint that it says it is for.
#![no_main]

// What all targets share, and the tests with the corpus; each target uses a part of it.
#[allow(dead_code)]
#[path = "../../tests/checkpoint/exercise.rs"]
mod exercise;
#[allow(dead_code)]
#[path = "../../tests/checkpoint/forge.rs"]
mod forge;
#[allow(dead_code)]
#[path = "../../tests/checkpoint/samples.rs"]
mod samples;

libfuzzer_sys::fuzz_target!(|input: &[u8]| exercise::apply(input));
