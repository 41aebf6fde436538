//! Cuts and loads, as a worker has its engine do them: taken up and drained beside the shards, with a stand in between.

use std::time::{Duration, Instant};

use super::link::{Descriptors, Link};
use super::say;
use crate::clock::now_micros;
use crate::cut::NOTE_LIMIT;
use crate::cut::buffer::{Buffer, Layout};
use crate::engine::{Engine, Outcome};
use crate::fault::{Class, WorkerError};
use crate::protocol::{Done, Job, Word, not_taken};
use crate::region::Region;

/// The one at hand, if any.
#[derive(Default)]
pub(crate) struct Jobs(Option<AtHand>);

struct AtHand {
    stage: Stage,
    /// When the shards were told to leave.
    told: Instant,
    pause: Duration,
    micros: u64,
    noted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// What can be done ahead is being done.
    Preparing,
    /// The shards were told to leave.
    Leaving,
    /// They were told to run again.
    Returning,
    Draining,
}

impl Jobs {
    pub(crate) fn begin(
        &mut self,
        region: &Region,
        engine: &mut dyn Engine,
        link: &Link,
        job: Job,
        buffer: u64,
        descriptors: Descriptors,
    ) -> Result<(), WorkerError> {
        let begun = match descriptors.map(|all| all.into_iter().next()) {
            _ if self.0.is_some() => Err(WorkerError::new(Class::Protocol, "a second job before the first is done")),
            Err(error) => Err(not_taken(error)),
            Ok(None) => Err(WorkerError::new(Class::Protocol, "a job without a buffer")),
            Ok(Some(fd)) => Buffer::map(buffer, fd, &Layout::of(&region.geometry())).and_then(|buffer| engine.begin(job, buffer)),
        };
        match begun {
            Ok(()) => {
                let now = Instant::now();
                self.0 = Some(AtHand { stage: Stage::Preparing, told: now, pause: Duration::ZERO, micros: 0, noted: true });
                Ok(())
            }
            Err(error) => refused(link, error),
        }
    }

    /// Whether the shards are to leave for it now.
    pub(crate) fn wants_a_stand(&mut self, engine: &mut dyn Engine, link: &Link) -> Result<bool, WorkerError> {
        let Some(job) = self.0.as_mut().filter(|job| job.stage == Stage::Preparing) else { return Ok(false) };
        match engine.ready() {
            Ok(false) => Ok(false),
            Ok(true) => {
                job.stage = Stage::Leaving;
                job.told = Instant::now();
                Ok(true)
            }
            Err(error) => self.refuse(link, error).map(|()| false),
        }
    }

    /// No stand can be made now; it is asked for anew.
    pub(crate) fn postpone(&mut self) {
        if let Some(job) = &mut self.0 {
            job.stage = Stage::Preparing;
        }
    }

    /// No shard runs: the engine copies while the application notes what is in the rings. A launch follows.
    pub(crate) fn stand(&mut self, region: &Region, engine: &mut dyn Engine) -> Result<(), WorkerError> {
        let Some(job) = &mut self.0 else { return Ok(()) };
        job.micros = now_micros();
        let stood = region.header().stood() + 1;
        region.header().set_stood(stood);
        engine.stand()?;
        let waited = Instant::now();
        while region.header().noted() != stood && waited.elapsed() < NOTE_LIMIT {
            std::thread::yield_now();
        }
        job.noted = region.header().noted() == stood;
        job.stage = Stage::Returning;
        Ok(())
    }

    /// The shards were told to run again, or run.
    pub(crate) fn go_on(&mut self, region: &Region, engine: &mut dyn Engine, link: &Link) -> Result<(), WorkerError> {
        let Some(job) = &mut self.0 else { return Ok(()) };
        if job.stage == Stage::Returning && (0..region.geometry().shards).all(|shard| region.progress(shard).running()) {
            job.pause = job.told.elapsed();
            job.stage = Stage::Draining;
        }
        if job.stage != Stage::Draining {
            return Ok(());
        }
        match engine.outcome() {
            Ok(None) => Ok(()),
            Ok(Some(Outcome::Again)) => {
                job.stage = Stage::Preparing;
                Ok(())
            }
            Ok(Some(Outcome::Done(found))) => {
                let done = Done {
                    rows: found.rows,
                    pages: found.pages,
                    bytes: found.bytes,
                    base: found.base,
                    number: found.number,
                    micros: job.micros,
                    pause: job.pause,
                    noted: job.noted,
                };
                self.0 = None;
                say(link, &Word::Done(done))
            }
            Err(error) => self.refuse(link, error),
        }
    }

    /// Whether there is one to look after.
    pub(crate) fn are_pressing(&self) -> bool {
        self.0.is_some()
    }

    fn refuse(&mut self, link: &Link, error: WorkerError) -> Result<(), WorkerError> {
        self.0 = None;
        refused(link, error)
    }
}

/// The device runs on unless it is the device that has failed.
fn refused(link: &Link, error: WorkerError) -> Result<(), WorkerError> {
    match error.class {
        Class::Memory | Class::Protocol | Class::Driver => say(link, &Word::Refused(error)),
        _ => Err(error),
    }
}
