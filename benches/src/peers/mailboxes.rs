//! The floor of messages from actor to actor: blocks that pass a line to each other, and blocks that all send to all.

use super::gpu::{DeviceMemory, Gpu, Kernel, LIFETIME, Mapped, PeerError, Stream};
use crate::rounds::{Contender, Error, Record};
use std::ffi::c_void;
use std::sync::atomic::Ordering::Acquire;
use std::time::Instant;

/// What the table calls a message from block to block, one way.
pub const PASS: &str = "bare lines passed between two blocks, one way";
/// Times that a line goes to and fro in each round.
const PASSES: u64 = 100_000;
/// Bytes of both lines.
const LINES: usize = 256;
/// Slots of each block's ring.
const CAPACITY_LOG2: u32 = 12;
/// Messages that a warp sends with one ticket, and warps of a block that send.
const BATCH: u64 = 32;
const SENDERS: u64 = 4;
/// Bytes of what `all_to_all` counts for a block.
const WORDS: usize = 32 * 8;

/// What the table calls messages from all blocks to all.
pub fn all_name(blocks: u32) -> String {
    format!("bare blocks, {blocks} all to all")
}

/// Two blocks that pass a line to and fro.
pub struct Passing<'g> {
    gpu: &'g Gpu,
    kernel: Kernel,
    stream: Stream,
    lines: DeviceMemory,
    zeros: Mapped,
    nanos: Mapped,
}

impl<'g> Passing<'g> {
    /// On this GPU.
    pub fn new(gpu: &'g Gpu) -> Result<Passing<'g>, PeerError> {
        let (kernel, stream) = (gpu.kernel(c"pass")?, gpu.stream()?);
        Ok(Passing { gpu, kernel, stream, lines: gpu.memory(LINES)?, zeros: gpu.mapped(LINES)?, nanos: gpu.mapped(128)? })
    }
}

impl Contender for Passing<'_> {
    fn name(&self) -> String {
        PASS.into()
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        self.gpu.bind()?;
        self.nanos.clear();
        self.stream.copy(self.lines.address(), self.zeros.device, LINES)?;
        let (mut lines, mut passes, mut life) = (self.lines.address(), PASSES, LIFETIME.as_nanos() as u64);
        let mut arguments: [*mut c_void; 4] =
            [(&raw mut lines).cast(), (&raw mut passes).cast(), (&raw mut self.nanos.device).cast(), (&raw mut life).cast()];
        // SAFETY: `pass(Chunk*, u64, u64*, u64)`; the memory is ours and lives until the stream was waited for.
        unsafe { self.stream.launch(self.kernel, 2, 32, &mut arguments)? };
        self.stream.wait()?;
        match self.nanos.word(0, 0).load(Acquire) {
            0 => Err(PeerError::Silent { message: PASSES }.into()),
            nanos => {
                record.times(PASS, &[nanos as f64 / (2 * PASSES) as f64]);
                record.checked(PASS, 2 * PASSES);
                Ok(())
            }
        }
    }
}

/// Blocks that all send to all.
pub struct AllToAll<'g> {
    gpu: &'g Gpu,
    kernel: Kernel,
    stream: Stream,
    rings: DeviceMemory,
    words: DeviceMemory,
    zeros: Mapped,
    back: Mapped,
    blocks: u32,
    batches: u64,
}

impl<'g> AllToAll<'g> {
    /// So many blocks; about `messages` messages in each round.
    pub fn new(gpu: &'g Gpu, blocks: u32, messages: u64) -> Result<AllToAll<'g>, PeerError> {
        let (rings, words) = (ring_bytes(blocks), word_bytes(blocks));
        Ok(AllToAll {
            gpu,
            kernel: gpu.kernel(c"all_to_all")?,
            stream: gpu.stream()?,
            rings: gpu.memory(rings)?,
            words: gpu.memory(words)?,
            zeros: gpu.mapped(rings.max(words))?,
            back: gpu.mapped(128)?,
            blocks,
            batches: (messages / (u64::from(blocks) * SENDERS * BATCH)).max(1),
        })
    }
}

fn ring_bytes(blocks: u32) -> usize {
    blocks as usize * (64 << CAPACITY_LOG2)
}

fn word_bytes(blocks: u32) -> usize {
    (blocks as usize + 1) * WORDS
}

impl Contender for AllToAll<'_> {
    fn name(&self) -> String {
        all_name(self.blocks)
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        self.gpu.bind()?;
        self.stream.copy(self.rings.address(), self.zeros.device, ring_bytes(self.blocks))?;
        self.stream.copy(self.words.address(), self.zeros.device, word_bytes(self.blocks))?;
        let (mut rings, mut words, mut log2) = (self.rings.address(), self.words.address(), CAPACITY_LOG2);
        let (mut batches, mut life) = (self.batches, LIFETIME.as_nanos() as u64);
        let mut arguments: [*mut c_void; 5] =
            [(&raw mut rings).cast(), (&raw mut words).cast(), (&raw mut log2).cast(), (&raw mut batches).cast(), (&raw mut life).cast()];
        let begun = Instant::now();
        // SAFETY: `all_to_all(Chunk*, u64*, u32, u64, u64)`; the memory is ours and lives until the stream was waited for.
        unsafe { self.stream.launch(self.kernel, self.blocks, 32 * (SENDERS as u32 + 1), &mut arguments)? };
        self.stream.wait()?;
        let took = begun.elapsed();
        self.stream.copy(self.back.device, self.words.address() + self.blocks as u64 * WORDS as u64, 24)?;
        let word = |at| self.back.word(0, at).load(Acquire);
        let sent = u64::from(self.blocks) * SENDERS * self.batches * BATCH;
        // Chunk `i` of the messages of batch `k` holds `k + i`, and the work adds the same to each.
        let each = |k: u64| (0..4).map(|i| (k + i).wrapping_add(0x9e37_79b9_7f4a_7c15)).fold(0, u64::wrapping_add);
        let batch = (0..self.batches).map(each).fold(0, u64::wrapping_add);
        let sum = batch.wrapping_mul(u64::from(self.blocks) * SENDERS * BATCH);
        if (word(1), word(2)) != (sent, sum) {
            return Err(PeerError::Wrong { wrong: sent.abs_diff(word(1)).max(1) }.into());
        }
        record.rate(&self.name(), sent as f64 / took.as_secs_f64());
        record.checked(&self.name(), sent);
        Ok(())
    }
}
