//! What is usual instead of a resident kernel: a launch for each message.
//!
//! In each of them the host watches the answer's line rather than the stream, which is the sooner of the two.

use super::echo::wait;
use super::gpu::{DeviceMemory, Gpu, Graph, Kernel, Mapped, PeerError, Stream};
use crate::line::Line;
use crate::rounds::{Contender, Error, Record};
use std::ffi::c_void;
use std::time::Instant;

/// Messages ahead of those that count.
const WARM_UP: u32 = 200;

/// How the message gets to the kernel and the answer back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As the kernel's argument; the answer into host memory.
    Argument,
    /// From host memory, and back into it.
    InPlace,
    /// The same, launched as a graph.
    Graph,
    /// A copy in, a launch, a copy out.
    Copies,
}

impl Way {
    /// All of them.
    pub const ALL: [Way; 4] = [Way::Argument, Way::InPlace, Way::Graph, Way::Copies];

    /// What the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Way::Argument => "launch per message, as argument",
            Way::InPlace => "launch per message, in place",
            Way::Graph => "graph launch per message",
            Way::Copies => "copy, launch, copy per message",
        }
    }
}

/// One way to launch for each message.
pub struct Launches<'g> {
    gpu: &'g Gpu,
    way: Way,
    once: Kernel,
    once_by_value: Kernel,
    // Ahead of the memory, so that it is dropped first.
    graph: Graph,
    stream: Stream,
    request: Mapped,
    answer: Mapped,
    device_request: DeviceMemory,
    device_answer: DeviceMemory,
    sent: u64,
    samples: u32,
}

impl<'g> Launches<'g> {
    /// So many messages in each round.
    pub fn new(gpu: &'g Gpu, way: Way, samples: u32) -> Result<Launches<'g>, PeerError> {
        let stream = gpu.stream()?;
        let once = gpu.kernel(c"once")?;
        let (mut request, mut answer) = (gpu.mapped(64)?, gpu.mapped(64)?);
        let mut arguments = [(&raw mut request.device).cast(), (&raw mut answer.device).cast()];
        // SAFETY: `once(const Chunk*, Chunk*)`; graph and lines are dropped together, after the stream was waited for.
        let graph = unsafe { stream.record(once, 1, 4, &mut arguments)? };
        Ok(Launches {
            gpu,
            way,
            once,
            once_by_value: gpu.kernel(c"once_by_value")?,
            graph,
            stream,
            request,
            answer,
            device_request: gpu.memory(64)?,
            device_answer: gpu.memory(64)?,
            sent: 0,
            samples,
        })
    }

    fn ask(&mut self) -> Result<f64, PeerError> {
        self.sent += 1;
        let tag = (self.sent % 0xffff + 1) as u16;
        let mut request = Line::request(self.sent, tag);
        let expected = request.answer();
        let start = Instant::now();
        match self.way {
            Way::Argument => {
                let mut arguments: [*mut c_void; 2] = [(&raw mut request).cast(), (&raw mut self.answer.device).cast()];
                // SAFETY: `once_by_value(Line, Chunk*)`; arguments are copied by the launch, and the line lives on.
                unsafe { self.stream.launch(self.once_by_value, 1, 4, &mut arguments)? };
            }
            Way::InPlace => {
                self.request.line(0, 64).write(&request);
                let mut arguments = [(&raw mut self.request.device).cast(), (&raw mut self.answer.device).cast()];
                // SAFETY: `once(const Chunk*, Chunk*)`; the lines live until the stream was waited for.
                unsafe { self.stream.launch(self.once, 1, 4, &mut arguments)? };
            }
            Way::Graph => {
                self.request.line(0, 64).write(&request);
                self.stream.launch_graph(&self.graph)?;
            }
            Way::Copies => {
                self.request.line(0, 64).write(&request);
                self.stream.copy_in(&self.device_request, &self.request)?;
                let (mut from, mut to) = (self.device_request.address(), self.device_answer.address());
                let mut arguments = [(&raw mut from).cast(), (&raw mut to).cast()];
                // SAFETY: `once(const Chunk*, Chunk*)`; the memory lives until the stream was waited for.
                unsafe { self.stream.launch(self.once, 1, 4, &mut arguments)? };
                self.stream.copy_out(&self.answer, &self.device_answer)?;
            }
        }
        let answer = wait(self.answer.line(0, 64), tag, start).ok_or(PeerError::Silent { message: self.sent })?;
        let nanos = start.elapsed().as_nanos() as f64;
        if answer == expected { Ok(nanos) } else { Err(PeerError::Wrong { wrong: 1 }) }
    }

    fn asks(&mut self, count: u32) -> Result<Vec<f64>, PeerError> {
        let nanos = (0..count).map(|_| self.ask()).collect();
        self.stream.wait()?;
        nanos
    }
}

impl Contender for Launches<'_> {
    fn name(&self) -> String {
        self.way.name().into()
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        self.gpu.bind()?;
        self.asks(WARM_UP)?;
        let nanos = self.asks(self.samples)?;
        record.times(self.way.name(), &nanos);
        record.checked(self.way.name(), nanos.len() as u64);
        Ok(())
    }
}
