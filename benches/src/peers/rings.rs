//! The floor of many messages: rings of 64-byte slots in host memory, a pair of them for each resident block.
//!
//! A slot's tag is its lap, so the reader needs no cursor to know that a slot is there; the two heads, which say
//! what may be written again, are read only when a ring looks full. Each host thread serves its own shards:
//! writes a burst of requests to one, takes what answers it has, and goes on to the next.

use super::gpu::{Gpu, Kernel, LIFETIME, Mapped, PeerError, STRIDE, Stream};
use crate::line::{Handover, Line, SharedLine, Words, has_avx512};
use crate::rounds::{Contender, Error, Record};
use std::ffi::c_void;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};
use std::time::{Duration, Instant};

const CAPACITY_LOG2: u32 = 10;
const CAPACITY: u64 = 1 << CAPACITY_LOG2;
/// Requests written, and answers taken, before a thread goes on to its next shard.
const BURST: u64 = 128;
/// A thread that gets nothing done for so long gives up.
const STUCK: Duration = Duration::from_secs(5);

/// Which kernel serves the rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Answers; a lane of the warp to a chunk.
    ByChunk,
    /// Answers; a lane to a slot.
    BySlot,
    /// Handles, and answers nothing.
    Sink,
}

/// Bare rings, served by a resident kernel.
pub struct Rings<'g> {
    gpu: &'g Gpu,
    service: Service,
    kernel: Kernel,
    stream: Stream,
    requests: Mapped,
    answers: Mapped,
    host_words: Mapped,
    device_words: Mapped,
    shards: u32,
    threads: Vec<u32>,
    total: u64,
}

impl<'g> Rings<'g> {
    /// `total` messages over `shards` rings from so many host threads, once for each number of `threads`.
    pub fn new(gpu: &'g Gpu, service: Service, shards: u32, threads: &[u32], total: u64) -> Result<Rings<'g>, PeerError> {
        let name = match service {
            Service::ByChunk => c"rings_by_chunk",
            Service::BySlot => c"rings_by_slot",
            Service::Sink => c"sink",
        };
        let ring_bytes = shards as usize * CAPACITY as usize * 64;
        Ok(Rings {
            gpu,
            service,
            kernel: gpu.kernel(name)?,
            stream: gpu.stream()?,
            requests: gpu.mapped(ring_bytes)?,
            answers: gpu.mapped(if service == Service::Sink { 64 } else { ring_bytes })?,
            host_words: gpu.mapped(shards as usize * STRIDE)?,
            device_words: gpu.mapped(shards as usize * STRIDE)?,
            shards,
            threads: threads.to_vec(),
            total,
        })
    }

    fn launch(&mut self, each: u64) -> Result<(), PeerError> {
        for memory in [&mut self.requests, &mut self.answers, &mut self.host_words, &mut self.device_words] {
            memory.clear();
        }
        let (mut capacity_log2, mut total, mut life) = (CAPACITY_LOG2, each, LIFETIME.as_nanos() as u64);
        let mut arguments: Vec<*mut c_void> = vec![(&raw mut self.requests.device).cast()];
        if self.service != Service::Sink {
            arguments.push((&raw mut self.answers.device).cast());
        }
        arguments.extend([
            (&raw mut self.host_words.device).cast::<c_void>(),
            (&raw mut self.device_words.device).cast(),
            (&raw mut capacity_log2).cast(),
            (&raw mut total).cast(),
            (&raw mut life).cast(),
        ]);
        // SAFETY: the parameters of the three kernels; `sink` has no answers. The memory lives until the stream was
        // waited for, in `round`.
        unsafe { self.stream.launch(self.kernel, self.shards, 32, &mut arguments) }
    }

    /// The rings of one shard, for the host thread that serves it.
    fn shard(&self, shard: u32) -> Shard<'_> {
        let at = shard as usize;
        let ring = at * CAPACITY as usize..(at + 1) * CAPACITY as usize;
        Shard {
            requests: &self.requests.slots()[ring.clone()],
            answers: if self.service == Service::Sink { &[] } else { &self.answers.slots()[ring] },
            answers_read: self.host_words.word(at, 0),
            requests_read: self.device_words.word(at, 0),
            first_nonce: u64::from(shard) << 40,
            written: 0,
            read: 0,
            free_from: 0,
        }
    }

    /// Serves all rings until each has had `each` messages; returns the wrong answers.
    fn stream(&self, threads: u32, each: u64) -> Result<(Duration, u64), PeerError> {
        let start_line = Barrier::new(threads as usize + 1);
        let start_line = &start_line;
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads)
                .map(|thread| {
                    let mut shards: Vec<_> = (thread..self.shards).step_by(threads as usize).map(|s| self.shard(s)).collect();
                    scope.spawn(move || {
                        start_line.wait();
                        serve(&mut shards, each)
                    })
                })
                .collect();
            start_line.wait();
            let start = Instant::now();
            let outcomes: Vec<_> = threads.into_iter().map(|t| t.join().expect("a serving thread does not panic")).collect();
            let took = start.elapsed();
            let wrong = outcomes.into_iter().sum::<Result<u64, PeerError>>()?;
            Ok((took, wrong))
        })
    }

    /// What `sink` must have added up, for each shard.
    fn wrong_sums(&self, each: u64) -> u64 {
        let wrong = |&shard: &u32| {
            let first = self.shard(shard).first_nonce;
            // SYNC sum: pairs with the fence before the last IN_HEAD in `sink`.
            let sum = self.device_words.word(shard as usize, 1).load(Acquire);
            sum != (0..each).fold(0u64, |sum, i| sum.wrapping_add(Line::request(first + i, 0).answer().sum()))
        };
        (0..self.shards).filter(wrong).count() as u64
    }
}

/// What the table calls a stream.
pub fn name(service: Service, shards: u32, threads: u32) -> String {
    format!("{}, {threads} host threads", title(service, shards))
}

fn title(service: Service, shards: u32) -> String {
    match service {
        Service::ByChunk => format!("bare rings by chunk, {shards} shards"),
        Service::BySlot => format!("bare rings by slot, {shards} shards"),
        Service::Sink => format!("bare one-way rings, {shards} shards"),
    }
}

impl Rings<'_> {
    fn run(&mut self, threads: u32, record: &mut Record) -> Result<(), PeerError> {
        let each = (self.total / u64::from(self.shards)).max(1);
        self.launch(each)?;
        let outcome = self.stream(threads, each);
        for shard in 0..self.shards as usize {
            // SYNC stop: pairs with the loads in `leave` and `room` of peers.cu; it orders nothing else.
            self.host_words.word(shard, 1).store(1, Release);
        }
        self.stream.wait()?;
        let (took, mut wrong) = outcome?;
        if self.service == Service::Sink {
            wrong += self.wrong_sums(each);
        }
        if wrong != 0 {
            return Err(PeerError::Wrong { wrong });
        }
        let (name, done) = (name(self.service, self.shards, threads), each * u64::from(self.shards));
        record.rate(&name, done as f64 / took.as_secs_f64());
        record.checked(&name, done);
        Ok(())
    }
}

impl Contender for Rings<'_> {
    fn name(&self) -> String {
        title(self.service, self.shards)
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        self.gpu.bind()?;
        for threads in self.threads.clone() {
            self.run(threads.min(self.shards), record)?;
        }
        Ok(())
    }
}

/// One shard's rings, as the host thread that serves them sees them.
struct Shard<'a> {
    requests: &'a [SharedLine],
    /// None for `sink`.
    answers: &'a [SharedLine],
    answers_read: &'a AtomicU64,
    requests_read: &'a AtomicU64,
    first_nonce: u64,
    written: u64,
    read: u64,
    /// `requests_read` as last seen.
    free_from: u64,
}

fn lap(index: u64) -> u16 {
    ((index >> CAPACITY_LOG2) + 1) as u16
}

impl Shard<'_> {
    /// Writes a burst of requests and takes a burst of answers; returns how many messages moved, and the wrong ones.
    #[inline(always)]
    unsafe fn turn<H: Handover>(&mut self, each: u64) -> (u64, u64) {
        if self.written < each && self.written + BURST > self.free_from + CAPACITY {
            // SYNC request-free: pairs with the store of IN_HEAD in peers.cu, made after the slots were read.
            self.free_from = self.requests_read.load(Acquire);
        }
        let burst = BURST.min(CAPACITY - (self.written - self.free_from)).min(each - self.written);
        for index in self.written..self.written + burst {
            let slot = &self.requests[(index % CAPACITY) as usize];
            // SAFETY: the caller chose `H` for this processor.
            unsafe { H::request(slot, self.first_nonce + index, lap(index)) };
        }
        self.written += burst;

        if self.answers.is_empty() {
            let before = self.read;
            if self.written == each {
                // SYNC request-free: as above.
                self.read = self.requests_read.load(Acquire);
            }
            return (burst + self.read - before, 0);
        }
        let before = self.read;
        let mut wrong = 0;
        while self.read < self.written && self.read < before + BURST {
            let slot = &self.answers[(self.read % CAPACITY) as usize];
            // SAFETY: as above.
            if !unsafe { H::answered(slot, self.first_nonce + self.read, lap(self.read)) } {
                if !slot.read().tagged(lap(self.read)) {
                    break;
                }
                // Whole by now: either it came in between the two looks, or it is wrong.
                // SAFETY: as above.
                wrong += u64::from(!unsafe { H::answered(slot, self.first_nonce + self.read, lap(self.read)) });
            }
            self.read += 1;
        }
        if self.read != before {
            // SYNC answer-free: pairs with the load in `room` of peers.cu; the slots below were read.
            self.answers_read.store(self.read, Release);
        }
        (burst + self.read - before, wrong)
    }
}

#[inline(always)]
unsafe fn serve_by<H: Handover>(shards: &mut [Shard], each: u64) -> Result<u64, PeerError> {
    let mut wrong = 0;
    let mut idle_since = None;
    loop {
        let (mut moved, mut done) = (0, true);
        for shard in shards.iter_mut().filter(|s| s.read < each) {
            // SAFETY: the caller chose `H` for this processor.
            let (messages, bad) = unsafe { shard.turn::<H>(each) };
            moved += messages;
            wrong += bad;
            done &= shard.read == each;
        }
        if done {
            return Ok(wrong);
        }
        if moved != 0 {
            idle_since = None;
        } else if idle_since.get_or_insert_with(Instant::now).elapsed() > STUCK {
            return Err(PeerError::Silent { message: shards.iter().map(|s| s.read).min().unwrap_or(0) });
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn serve_by_avx512(shards: &mut [Shard], each: u64) -> Result<u64, PeerError> {
    // SAFETY: this function has AVX-512F.
    unsafe { serve_by::<crate::line::Avx512>(shards, each) }
}

fn serve(shards: &mut [Shard], each: u64) -> Result<u64, PeerError> {
    #[cfg(target_arch = "x86_64")]
    if has_avx512() {
        // SAFETY: the processor has AVX-512F.
        return unsafe { serve_by_avx512(shards, each) };
    }
    // SAFETY: `Words` needs nothing of the processor.
    unsafe { serve_by::<Words>(shards, each) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel `rings_by_slot` does, by a thread of the host's, so that the host's half runs without a GPU.
    fn kernel(requests: &[SharedLine], answers: &[SharedLine], read: &AtomicU64, done: &AtomicU64, each: u64) {
        for index in 0..each {
            let slot = (index % CAPACITY) as usize;
            let request = loop {
                let line = requests[slot].read();
                if line.tagged(lap(index)) {
                    break line;
                }
                std::thread::yield_now();
            };
            while index + 1 > read.load(Acquire) + CAPACITY {
                std::thread::yield_now();
            }
            answers[slot].write(&request.answer());
            done.store(index + 1, Release);
        }
    }

    #[test]
    fn a_host_thread_serves_its_rings_and_finds_a_wrong_answer() {
        const EACH: u64 = 5 * CAPACITY + 77;
        let ring = || -> Vec<SharedLine> { std::iter::repeat_with(SharedLine::default).take(CAPACITY as usize).collect() };
        let (requests, answers) = (ring(), ring());
        let (answers_read, requests_read) = (AtomicU64::new(0), AtomicU64::new(0));
        let shard = |first_nonce| Shard {
            requests: &requests,
            answers: &answers,
            answers_read: &answers_read,
            requests_read: &requests_read,
            first_nonce,
            written: 0,
            read: 0,
            free_from: 0,
        };
        std::thread::scope(|scope| {
            scope.spawn(|| kernel(&requests, &answers, &answers_read, &requests_read, EACH));
            assert_eq!(serve(&mut [shard(1 << 40)], EACH).unwrap(), 0);
        });
        let mut other = shard(9 << 40);
        other.written = EACH;
        other.read = 5 * CAPACITY;
        other.free_from = EACH;
        assert_eq!(serve(&mut [other], EACH).unwrap(), 77, "those answers belong to other requests");
    }
}
