//! What the targets do with an input: the same that the tests do with the corpus.
// Each part is the tests' too, which use more of it.
#![allow(dead_code)]

#[path = "../../tests/checkpoint/exercise.rs"]
pub mod exercise;
#[path = "../../tests/checkpoint/forge.rs"]
mod forge;
#[path = "../../tests/checkpoint/samples.rs"]
mod samples;
