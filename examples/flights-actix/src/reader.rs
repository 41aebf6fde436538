//! The CPU actor that reads the rows and sends each to its aircraft, which it starts when the tail number first appears.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use actix::{Actor, Addr, Context, Handler, Message, ResponseFuture};
use anyhow::anyhow;
use flights_actors::{Aircraft, Report, Totals};
use flights_common::{Input, ReadError, Row, RowError, Rows, TURN, Tail, show, unpacked};
use indicatif::ProgressBar;
use resident::Gpu;
use resident::prelude::*;

/// The reader.
#[derive(Clone)]
pub struct Reader {
    pub input: Input,
    pub system: System,
    pub bar: ProgressBar,
}

/// Reads the whole input; answered when the last row is sent.
#[derive(Message)]
#[rtype(result = "anyhow::Result<Fleet>")]
pub struct Read;

/// All aircraft that were seen.
#[derive(Default)]
pub struct Fleet {
    /// By tail number.
    pub aircraft: HashMap<Tail, Plane>,
    /// Rows read.
    pub rows: u64,
    /// Those of them without a tail number.
    pub skipped: u64,
}

/// An aircraft, by both of its ways.
pub struct Plane {
    /// The mailbox, as of any actor of actix's.
    addr: Addr<Gpu<Aircraft>>,
    /// Straight into the ring.
    ring: Handle<Aircraft>,
}

impl Actor for Reader {
    type Context = Context<Self>;
}

impl Handler<Read> for Reader {
    type Result = ResponseFuture<anyhow::Result<Fleet>>;

    fn handle(&mut self, _: Read, _: &mut Context<Self>) -> Self::Result {
        let reader = self.clone();
        Box::pin(async move { reader.read().await })
    }
}

impl Reader {
    async fn read(&self) -> anyhow::Result<Fleet> {
        let broken = |cause: RowError| ReadError::new(&self.input, cause);
        let opened = self.input.open().and_then(|input| unpacked(self.bar.wrap_read(input))).map_err(|error| broken(error.into()))?;
        let mut rows = Rows::new(opened).map_err(broken)?;
        let mut fleet = Fleet::default();
        while let Some(row) = rows.next_row().map_err(broken)? {
            fleet.rows += 1;
            if fleet.rows.is_multiple_of(TURN) {
                show(&self.bar, fleet.rows, fleet.aircraft.len());
                tokio::task::yield_now().await;
            }
            self.send(&mut fleet, row).await?;
        }
        Ok(fleet)
    }

    async fn start(&self, tail: Tail) -> anyhow::Result<Plane> {
        let addr = Gpu::new(&self.system, Aircraft::new(tail.0))?.named(tail.to_string())?.start_here()?;
        let ring = addr.handle().await?;
        Ok(Plane { addr, ring })
    }

    /// Sends a row to its aircraft; waits while the aircraft's shard has no room.
    #[inline]
    async fn send(&self, fleet: &mut Fleet, row: Row) -> anyhow::Result<()> {
        let Some(tail) = row.tail else {
            fleet.skipped += 1;
            return Ok(());
        };
        let plane = match fleet.aircraft.entry(tail) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(self.start(tail).await?),
        };
        plane.ring.send(row.flight).await.map_err(|unsent| plane.ended(unsent))
    }
}

impl Plane {
    /// Why it takes no messages: its fault, if it has failed.
    fn ended(&self, error: impl std::error::Error) -> anyhow::Error {
        match self.ring.fault() {
            Some(fault) => fault.into(),
            None => anyhow!("`{}`: {error}", self.ring.name().unwrap_or_default()),
        }
    }
}

impl Fleet {
    /// What every aircraft has counted. An aircraft answers when it has handled every flight that it was sent.
    pub async fn totals(&self) -> anyhow::Result<HashMap<Tail, Totals>> {
        let answers: Vec<_> = self.aircraft.iter().map(|(tail, plane)| (*tail, plane, plane.addr.send(Report))).collect();
        let mut totals = HashMap::with_capacity(answers.len());
        for (tail, plane, answer) in answers {
            totals.insert(tail, answer.await.map_err(|error| plane.ended(error))??);
        }
        Ok(totals)
    }
}
