//! Checkpoints through the public interface. The numbers are of `SPECIFICATION.md`; crashes (C-5) are in `src/archive/crashes.rs`.

mod archive;
mod deltas;
mod files;
mod forge;
mod forged;
mod histories;
mod objects;
mod samples;
mod values;
mod writers;
