//! As many messages as one likes, asks and casts mixed, every word of them checked.
//!
//! Each actor has a mirror on the host that handles the same messages with the same code. An answer differs from its
//! mirror's when a word was torn, or when the actor handled anything else before it: less, more, or in another order.
//! At the end the digest of all nonces in the order in which they were handled has to be the mirror's too.

use super::Ours;
use super::streams::{BURST, Idle, ask_for_room, on_threads};
use crate::rounds::{Contender, Error, Record};
use resident::{AskError, CastError, GpuRef, Pipeline, System};
use resident_test_actors::{Answer, Ask, Echo, EchoMsg, Note, Recall, words};
use std::collections::VecDeque;

/// Asks in flight for each shard.
const WINDOW: u32 = 64;

/// The long run.
pub struct Verify<'r> {
    ours: Ours<'r>,
    threads: u32,
    total: u64,
}

impl<'r> Verify<'r> {
    /// `total` messages in each round, from so many threads.
    pub fn new(ours: Ours<'r>, threads: u32, total: u64) -> Verify<'r> {
        let shards = ours.place.shards.unwrap_or(16);
        // An answer takes two lines.
        let ours = ours.with_reply_lines((4 * WINDOW * shards).next_power_of_two());
        Verify { ours, threads, total }
    }
}

impl Contender for Verify<'_> {
    fn name(&self) -> String {
        format!("{}, asks and casts verified word by word", self.ours.title())
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        self.ours.system(|system| {
            let mirror = Echo::new(0x5ec2_e700);
            let echoes = self.ours.on_every_shard(system, || mirror.clone())?;
            let each = self.total.div_ceil(echoes.len() as u64);
            let done = each * echoes.len() as u64;
            let (took, _) = on_threads(echoes, self.threads, |share| exchange(system, &share, &mirror, each))?;
            record.rate(&self.name(), done as f64 / took.as_secs_f64());
            record.checked(&self.name(), done);
            match system.dead_letters() {
                0 => Ok(()),
                lost => Err(format!("{lost} dead letters").into()),
            }
        })
    }
}

/// `each` messages to each of `echoes`, of which every fourth is a cast.
fn exchange(system: &System, echoes: &[GpuRef<Echo>], mirror: &Echo, each: u64) -> Result<(), Error> {
    let actors = echoes.len() as u64;
    let total = each * actors;
    let mut mirrors = vec![mirror.clone(); echoes.len()];
    let mut pipeline = Pipeline::<Echo, Ask>::new(system, WINDOW as usize * echoes.len())?;
    let mut expected: VecDeque<Answer> = VecDeque::new();
    let mut sent = 0;
    let mut idle = Idle::new();
    while sent < total || !expected.is_empty() {
        let (before, waiting) = (sent, expected.len());
        while sent < total && sent < before + BURST && !pipeline.is_full() {
            let at = (sent / BURST % actors) as usize;
            let (echo, mirror) = (&echoes[at], &mut mirrors[at]);
            if sent % 4 == 3 {
                match echo.try_cast(EchoMsg::Note(Note { nonce: sent, words: words(sent) })) {
                    Ok(()) => {}
                    Err(CastError::Full(_)) => break,
                    Err(error) => return Err(error.to_string().into()),
                }
            } else {
                let ask = Ask { nonce: sent, words: words(sent) };
                match pipeline.submit(echo, &ask) {
                    Ok(()) => expected.push_back(mirror.answer(&ask)),
                    Err(AskError::Full) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            mirror.remember(sent);
            sent += 1;
        }
        let submitted = expected.len();
        for _ in 0..BURST {
            let Some(answer) = pipeline.try_next() else { break };
            let (answer, expected) = (answer?, expected.pop_front());
            if expected.as_ref() != Some(&answer) {
                return Err(format!("answered {answer:?} instead of {expected:?}").into());
            }
        }
        idle.moved(sent != before || submitted != waiting || expected.len() != submitted)?;
    }
    for (echo, mirror) in echoes.iter().zip(&mirrors) {
        let history = ask_for_room(echo, &Recall)?;
        if (history.answered, history.history) != (mirror.answered, mirror.history) {
            return Err(format!("remembers {history:?} instead of {mirror:?}").into());
        }
    }
    Ok(())
}
