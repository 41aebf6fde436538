//! The CPU actor that reads the rows and sends each to its aircraft, which it starts when the tail number first appears.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::Arc;

use flights_actors::{Aircraft, AircraftMsg, Totals};
use flights_common::{Injected, Input, ReadError, Row, RowError, Rows, TURN, Tail, show, unpacked};
use indicatif::ProgressBar;
use ractor::concurrency::oneshot;
use ractor::{ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort};
use resident::prelude::*;

use crate::inject::Inject;
use crate::save::Saver;

/// The reader.
pub struct Reader {
    pub input: Input,
    pub system: System,
    /// To whom the aircraft are linked.
    pub supervisor: ActorCell,
    /// Breaks something on the way, if that was asked for.
    pub inject: Option<Arc<Inject>>,
    pub bar: ProgressBar,
}

/// What the reader takes.
pub enum ReaderMsg {
    /// Reads the whole input; answers when the last row is sent.
    Read(RpcReplyPort<Fleet>),
}

/// All aircraft that were seen.
#[derive(Default)]
pub struct Fleet {
    /// By tail number.
    pub aircraft: HashMap<Tail, GpuRef<Aircraft>>,
    /// Rows read.
    pub rows: u64,
    /// Those of them without a tail number.
    pub skipped: u64,
    /// What broke on the way.
    pub injected: Vec<Injected>,
}

/// What the reader begins with.
#[derive(Default)]
pub struct Work {
    /// Rows that an earlier run has read, and whose aircraft are there again.
    pub fleet: Fleet,
    pub saver: Option<Saver>,
}

#[ractor::actor(message = ReaderMsg, state = Work, arguments = Work)]
impl Reader {
    async fn pre_start(&self, _: ActorRef<ReaderMsg>, work: Work) -> Result<Work, ActorProcessingErr> {
        Ok(work)
    }

    async fn handle(&self, _: ActorRef<ReaderMsg>, ReaderMsg::Read(reply): ReaderMsg, work: &mut Work) -> Result<(), ActorProcessingErr> {
        let fleet = self.read(std::mem::take(work)).await?;
        // Who asked may have gone.
        let _ = reply.send(fleet);
        Ok(())
    }
}

impl Reader {
    async fn read(&self, Work { mut fleet, mut saver }: Work) -> Result<Fleet, ActorProcessingErr> {
        let broken = |cause: RowError| ReadError::new(&self.input, cause);
        let open = || -> io::Result<_> { unpacked(self.bar.wrap_read(self.input.open()?)) };
        let mut rows = Rows::new(open().map_err(|error| broken(error.into()))?).map_err(broken)?;
        for _ in 0..fleet.rows {
            if rows.next_row().map_err(broken)?.is_none() {
                return Err(format!("`{}` ends before row {}, where the checkpoint was taken", self.input, fleet.rows).into());
            }
        }
        while let Some(row) = rows.next_row().map_err(broken)? {
            fleet.rows += 1;
            if fleet.rows.is_multiple_of(TURN) {
                show(&self.bar, fleet.rows, fleet.aircraft.len());
                tokio::task::yield_now().await;
            }
            self.send(&mut fleet, row).await?;
            if let (Some(inject), Some(tail)) = (&self.inject, row.tail) {
                inject.strike(&mut fleet, tail, &self.system).await?;
            }
            if let Some(saver) = saver.as_mut().filter(|saver| saver.is_due(fleet.rows)) {
                saver.take(&self.system, fleet.rows, fleet.skipped).await?;
            }
        }
        if let Some(saver) = saver {
            saver.finish().await?;
        }
        if let Some(inject) = &self.inject {
            self.send_again(&fleet, inject).await?;
        }
        Ok(fleet)
    }

    /// Sends again what was lost with aircraft that a fault of somebody else has interrupted.
    async fn send_again(&self, fleet: &Fleet, inject: &Inject) -> Result<(), ActorProcessingErr> {
        // Whoever has failed answers when it goes on, so all are known then.
        let counted = fleet.totals().await?;
        for interrupted in inject.interrupted() {
            let tail = interrupted.tail;
            let mut rows = Rows::new(unpacked(self.input.open()?)?)?;
            let mut flights = Vec::new();
            while let Some(row) = rows.next_row()? {
                flights.extend((row.tail == Some(tail)).then_some(row.flight));
            }
            for flight in interrupted.lost(&flights, counted[&tail].flights) {
                fleet.aircraft[&tail].send(AircraftMsg::Flight(*flight)).await.map_err(|unsent| ended(&fleet.aircraft[&tail], unsent))?;
            }
        }
        Ok(())
    }

    async fn start(&self, tail: Tail) -> Result<GpuRef<Aircraft>, ActorProcessingErr> {
        match &self.inject {
            Some(inject) => inject.aircraft(tail, &self.system).await,
            None => {
                let (name, state) = (tail.to_string(), Aircraft::new(tail.0));
                Ok(Aircraft::spawn_linked(Some(name), state, &self.system, self.supervisor.clone()).await?.0)
            }
        }
    }

    /// Sends a row to its aircraft; waits while the aircraft's shard has no room.
    #[inline]
    async fn send(&self, fleet: &mut Fleet, row: Row) -> Result<(), ActorProcessingErr> {
        let Some(tail) = row.tail else {
            fleet.skipped += 1;
            return Ok(());
        };
        let aircraft = match fleet.aircraft.entry(tail) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(self.start(tail).await?),
        };
        match aircraft.send(AircraftMsg::Flight(row.flight)).await {
            Ok(()) => Ok(()),
            Err(unsent) => Err(ended(aircraft, unsent)),
        }
    }
}

/// Why an aircraft takes no messages: its fault, if it has failed.
fn ended(aircraft: &GpuRef<Aircraft>, unsent: CastError<AircraftMsg>) -> ActorProcessingErr {
    match aircraft.fault() {
        Some(fault) => Box::new(fault),
        None => format!("`{}`: {unsent}", aircraft.get_name().unwrap_or_default()).into(),
    }
}

impl Fleet {
    /// What every aircraft has counted. An aircraft answers when it has handled every flight that it was sent.
    pub async fn totals(&self) -> Result<HashMap<Tail, Totals>, ActorProcessingErr> {
        let mut answers = Vec::with_capacity(self.aircraft.len());
        for (tail, aircraft) in &self.aircraft {
            let (port, answer) = oneshot();
            aircraft.send(AircraftMsg::Report(port.into())).await.map_err(|unsent| ended(aircraft, unsent))?;
            answers.push((*tail, answer));
        }
        let mut totals = HashMap::with_capacity(answers.len());
        for (tail, answer) in answers {
            totals.insert(tail, answer.await.map_err(|_| format!("`{tail}` did not answer"))?);
        }
        Ok(totals)
    }
}
