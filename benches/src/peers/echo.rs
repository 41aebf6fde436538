//! The floor of a round trip: resident blocks, each polling one line of host memory and answering into another.

use super::gpu::{Gpu, Kernel, LIFETIME, Mapped, PATIENCE, PeerError, STRIDE, Stream};
use crate::line::{Line, SharedLine};
use crate::rounds::{Contender, Error, Record};
use crate::samples::summary;
use std::time::Instant;

/// Ends a block of `echo`; no message has this tag.
const STOP_TAG: u16 = 0xffff;
/// Messages ahead of those that count.
const WARM_UP: u32 = 1000;

/// What the table calls messages to all shards in turn.
pub fn spread(shards: u32) -> String {
    format!("bare echo, {shards} shards in turn")
}

/// What it calls messages to one of so many.
pub fn single(shards: u32) -> String {
    format!("bare echo, one of {shards} shards")
}

/// How the warps of a block poll.
#[derive(Clone, Copy, Debug)]
struct Polling {
    pollers: u32,
    stagger: u32,
}

/// The bare echo kernel.
pub struct Echo<'g> {
    gpu: &'g Gpu,
    kernel: Kernel,
    stream: Stream,
    requests: Mapped,
    answers: Mapped,
    shards: u32,
    samples: u32,
    best: Option<Polling>,
}

impl<'g> Echo<'g> {
    /// `shards` blocks, and so many messages in each round.
    pub fn new(gpu: &'g Gpu, shards: u32, samples: u32) -> Result<Echo<'g>, PeerError> {
        let bytes = shards as usize * STRIDE;
        Ok(Echo {
            gpu,
            kernel: gpu.kernel(c"echo")?,
            stream: gpu.stream()?,
            requests: gpu.mapped(bytes)?,
            answers: gpu.mapped(bytes)?,
            shards,
            samples,
            best: None,
        })
    }

    fn resident(&mut self, polling: Polling, run: impl FnOnce(&mut Conversation) -> Result<(), PeerError>) -> Result<(), PeerError> {
        self.gpu.bind()?;
        self.requests.clear();
        self.answers.clear();
        let (mut stagger, mut life) = (polling.stagger, LIFETIME.as_nanos() as u64);
        let mut arguments = [
            (&raw mut self.requests.device).cast(),
            (&raw mut self.answers.device).cast(),
            (&raw mut stagger).cast(),
            (&raw mut life).cast(),
        ];
        // SAFETY: `echo(const Chunk*, Chunk*, u32, u64)`; the lines live until the stream was waited for, below.
        unsafe { self.stream.launch(self.kernel, self.shards, 32 * polling.pollers, &mut arguments)? };
        let mut conversation = Conversation { requests: &self.requests, answers: &self.answers, sent: vec![0; self.shards as usize] };
        let result = run(&mut conversation);
        for shard in 0..self.shards as usize {
            self.requests.line(shard, STRIDE).write(&Line::request(0, STOP_TAG));
        }
        self.stream.wait()?;
        result
    }

    /// The way of polling that answers soonest on this machine, tried once.
    fn best(&mut self) -> Result<Polling, PeerError> {
        if let Some(best) = self.best {
            return Ok(best);
        }
        let one = Polling { pollers: 1, stagger: 0 };
        let two = [0, 100, 300, 600].map(|stagger| Polling { pollers: 2, stagger });
        let mut best = (f64::INFINITY, one);
        for polling in [one].into_iter().chain(two) {
            let mut nanos = Vec::new();
            self.resident(polling, |c| c.in_turn(2000, &mut nanos))?;
            let p50 = summary(&nanos).map_or(f64::INFINITY, |s| s.p50);
            eprintln!("  {} pollers, {} ns apart: p50 {:.3} us", polling.pollers, polling.stagger, p50 / 1000.0);
            if p50 < best.0 {
                best = (p50, polling);
            }
        }
        Ok(*self.best.insert(best.1))
    }
}

impl Contender for Echo<'_> {
    fn name(&self) -> String {
        "bare echo".into()
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        let polling = self.best()?;
        let samples = self.samples;
        let (mut in_turn, mut one) = (Vec::new(), Vec::new());
        self.resident(polling, |c| {
            c.in_turn(WARM_UP, &mut Vec::new())?;
            c.in_turn(samples, &mut in_turn)?;
            c.with_one(samples, &mut one)
        })?;
        record.times(&spread(self.shards), &in_turn);
        record.times(&single(self.shards), &one);
        record.checked("bare echo", 2 * u64::from(samples));
        Ok(())
    }
}

/// Messages to resident blocks, one at a time.
struct Conversation<'a> {
    requests: &'a Mapped,
    answers: &'a Mapped,
    /// Messages to each block so far.
    sent: Vec<u64>,
}

impl Conversation<'_> {
    /// `count` messages, each to another block than the one before.
    fn in_turn(&mut self, count: u32, nanos: &mut Vec<f64>) -> Result<(), PeerError> {
        let shards = self.sent.len();
        // Coprime to most numbers of shards, so that neighbours in time are not neighbours on the chip.
        (0..count as usize).try_for_each(|i| self.ask(i * 7 % shards, nanos))
    }

    /// `count` messages to the first block.
    fn with_one(&mut self, count: u32, nanos: &mut Vec<f64>) -> Result<(), PeerError> {
        (0..count).try_for_each(|_| self.ask(0, nanos))
    }

    fn ask(&mut self, shard: usize, nanos: &mut Vec<f64>) -> Result<(), PeerError> {
        let sent = &mut self.sent[shard];
        *sent += 1;
        let tag = ((*sent - 1) % u64::from(STOP_TAG - 1) + 1) as u16;
        let request = Line::request(*sent << 16 | shard as u64, tag);
        let expected = request.answer();
        let (to, from) = (self.requests.line(shard, STRIDE), self.answers.line(shard, STRIDE));
        let start = Instant::now();
        to.write(&request);
        let answer = wait(from, tag, start).ok_or(PeerError::Silent { message: *sent })?;
        nanos.push(start.elapsed().as_nanos() as f64);
        if answer == expected { Ok(()) } else { Err(PeerError::Wrong { wrong: 1 }) }
    }
}

/// Spins until a line with `tag` is there; `None` when none comes.
#[inline]
pub(super) fn wait(line: &SharedLine, tag: u16, since: Instant) -> Option<Line> {
    loop {
        for _ in 0..4096 {
            let answer = line.read();
            if answer.tagged(tag) {
                return Some(answer);
            }
        }
        if since.elapsed() > PATIENCE {
            return None;
        }
    }
}
