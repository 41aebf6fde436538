//! The floor of a stencil: all steps in one kernel that stays, with a barrier of all its blocks between two.

use super::gpu::{DeviceMemory, Gpu, Kernel, LIFETIME, Mapped, PeerError, Stream};
use crate::rounds::{Contender, Error, Record};
use crate::wave::Wave;
use std::ffi::c_void;
use std::time::Instant;
use wave_tile::COURANT_SQUARED;

/// Threads of a block; as many blocks as multiprocessors are on the device at once.
const THREADS: u32 = 1024;

/// What the table calls it.
pub fn name(wave: &Wave) -> String {
    format!("bare fused kernel, cells of a wave of {}^3 stepped", wave.domain.size())
}

/// A wave in one kernel.
pub struct Stencil<'a> {
    gpu: &'a Gpu,
    kernel: Kernel,
    stream: Stream,
    now: DeviceMemory,
    before: DeviceMemory,
    arrived: DeviceMemory,
    zeros: Mapped,
    wave: &'a Wave,
    blocks: u32,
}

impl<'a> Stencil<'a> {
    /// By so many blocks.
    pub fn new(gpu: &'a Gpu, wave: &'a Wave, blocks: u32) -> Result<Stencil<'a>, PeerError> {
        let bytes = size_of_val(&wave.begin[..]);
        Ok(Stencil {
            gpu,
            kernel: gpu.kernel(c"stencil")?,
            stream: gpu.stream()?,
            now: gpu.memory(bytes)?,
            before: gpu.memory(bytes)?,
            arrived: gpu.memory(8)?,
            zeros: gpu.mapped(64)?,
            wave,
            blocks,
        })
    }
}

impl Contender for Stencil<'_> {
    fn name(&self) -> String {
        name(self.wave)
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        self.gpu.bind()?;
        let wave = self.wave;
        let (begin, bytes) = (wave.begin.as_ptr() as u64, size_of_val(&wave.begin[..]));
        // At rest: the same a step before.
        self.stream.copy(self.now.address(), begin, bytes)?;
        self.stream.copy(self.before.address(), begin, bytes)?;
        self.stream.copy(self.arrived.address(), self.zeros.device, 8)?;
        let (mut now, mut before, mut arrived) = (self.now.address(), self.before.address(), self.arrived.address());
        let (mut size, mut steps, mut courant) = (wave.domain.size() as u32, wave.steps, COURANT_SQUARED);
        let mut life = LIFETIME.as_nanos() as u64;
        let mut arguments: [*mut c_void; 7] = [
            (&raw mut now).cast(),
            (&raw mut before).cast(),
            (&raw mut size).cast(),
            (&raw mut steps).cast(),
            (&raw mut courant).cast(),
            (&raw mut arrived).cast(),
            (&raw mut life).cast(),
        ];
        let begun = Instant::now();
        // SAFETY: `stencil(float*, float*, u32, u32, float, u64*, u64)`; the memory is ours, has room for every cell of a cube of that
        // size, and lives until the stream was waited for.
        unsafe { self.stream.launch(self.kernel, self.blocks, THREADS, &mut arguments)? };
        self.stream.wait()?;
        let took = begun.elapsed();
        let mut cells = vec![0.0f32; wave.begin.len()];
        let last = if steps.is_multiple_of(2) { self.now.address() } else { self.before.address() };
        self.stream.copy(cells.as_mut_ptr() as u64, last, bytes)?;
        wave.stepped(&self.name(), took, &cells, record)
    }
}
