//! Rows without a ractor actor in front: what the engine itself takes to make an actor live.

use super::Place;
use crate::peers::gpu::PATIENCE;
use crate::rounds::{Contender, Error, Record};
use resident_gpu::arena::{Arena, Cell};
use resident_gpu::device::{Device, Options};
use resident_gpu::ring::{Consumer, Frame, Producer, PushError};
use resident_gpu::rows::{RowId, Rows};
use resident_kernels::actor::Actor;
use resident_kernels::wire::{OP_ACK, OP_SPAWN, OP_STOP};
use resident_test_actors::Counter;
use std::time::{Duration, Instant};

/// Spawns of rows, one by one and all at once.
pub struct Spawns {
    place: Place,
    samples: u32,
    at_once: u32,
}

impl Spawns {
    /// In each round so many one by one, each acknowledged before the next, then so many `at_once`; 0 leaves either out.
    pub fn new(place: Place, samples: u32, at_once: u32) -> Spawns {
        Spawns { place, samples, at_once }
    }

    /// What the table calls one.
    pub fn one_name(title: &str) -> String {
        format!("{title}, spawn of a row acknowledged")
    }

    /// What the table calls so many.
    pub fn many_name(title: &str, rows: u32) -> String {
        format!("{title}, {rows} rows spawned and acknowledged")
    }

    fn measure(&self, device: &Device, record: &mut Record) -> Result<(), Error> {
        let kind = device.kind_index(Counter::KIND).ok_or("the counter is not exported")?;
        let mut arena = Arena::new(0, device.arena_bytes());
        let mut shards = (0..device.info().shards)
            .map(|shard| {
                let (producer, consumer) = device.take_ports(shard).ok_or("a new device has all its rings")?;
                Ok(Shard { producer, consumer, rows: Rows::new(device.rows()) })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let title = self.place.title();
        if self.samples != 0 {
            let mut nanos = Vec::with_capacity(self.samples as usize);
            let count = shards.len();
            for i in 0..self.samples {
                let shard = &mut shards[i as usize * 7 % count];
                let start = Instant::now();
                let (row, cell) = shard.spawn(kind, i, &mut arena)?.ok_or("an empty ring has room")?;
                shard.acknowledged(i)?;
                nanos.push(start.elapsed().as_nanos() as f64);
                shard.stop(row, i)?;
                shard.acknowledged(i)?;
                shard.rows.release(row);
                arena.free(cell);
            }
            record.times(&Spawns::one_name(&title), &nanos);
            record.checked(&Spawns::one_name(&title), u64::from(self.samples));
        }
        if self.at_once != 0 {
            let took = all_at_once(&mut shards, kind, &mut arena, self.at_once)?;
            let name = Spawns::many_name(&title, self.at_once);
            record.times(&name, &[took.as_nanos() as f64]);
            record.checked(&name, u64::from(self.at_once));
        }
        let refused: u64 = (0..device.info().shards).map(|shard| device.progress(shard).refused).sum();
        if refused == 0 { Ok(()) } else { Err(format!("{refused} spawns were refused").into()) }
    }
}

impl Contender for Spawns {
    fn name(&self) -> String {
        format!("{}, rows", self.place.title())
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        let shards = self.place.shards.unwrap_or(1);
        let rows = self.at_once.div_ceil(shards).max(Options::default().rows);
        let device = Device::start(Options { device: self.place.choice, shards: self.place.shards, rows, ..Options::default() })?;
        let result = self.measure(&device, record);
        device.stop(Duration::from_secs(10))?;
        result
    }
}

struct Shard {
    producer: Producer,
    consumer: Consumer,
    rows: Rows,
}

impl Shard {
    /// Asks for a counter in a free row; `None` while the ring is full.
    fn spawn(&mut self, kind: u32, correlation: u32, arena: &mut Arena) -> Result<Option<(RowId, Cell)>, Error> {
        const STATE: usize = size_of::<Counter>();
        let row = self.rows.claim().ok_or("no free row")?;
        let cell = arena.allocate(STATE as u32)?;
        // A SpawnRow, then the state: a counter that has counted nothing.
        let mut payload = [0; 16 + STATE];
        payload[..4].copy_from_slice(&kind.to_le_bytes());
        payload[4..8].copy_from_slice(&(STATE as u32).to_le_bytes());
        payload[8..16].copy_from_slice(&cell.offset.to_le_bytes());
        let RowId { row: index, generation } = row;
        let frame = Frame { op: OP_SPAWN, row: index, generation, correlation, payload: &payload, ..Frame::default() };
        match self.producer.push(&frame) {
            Ok(()) => Ok(Some((row, cell))),
            Err(PushError::Full) => {
                self.rows.release(row);
                arena.free(cell);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn stop(&mut self, row: RowId, correlation: u32) -> Result<(), Error> {
        let RowId { row, generation } = row;
        Ok(self.producer.push(&Frame { op: OP_STOP, row, generation, correlation, ..Frame::default() })?)
    }

    /// The next acknowledgement that is there.
    fn acknowledgement(&mut self) -> Result<Option<u32>, Error> {
        match self.consumer.pop()? {
            None => Ok(None),
            Some(frame) if frame.op == OP_ACK => Ok(Some(frame.correlation)),
            Some(frame) => Err(format!("operation {} instead of an acknowledgement", frame.op).into()),
        }
    }

    /// Waits for the acknowledgement of `correlation`.
    fn acknowledged(&mut self, correlation: u32) -> Result<(), Error> {
        let start = Instant::now();
        let mut looks = 0u32;
        loop {
            match self.acknowledgement()? {
                Some(found) if found == correlation => return Ok(()),
                Some(found) => return Err(format!("{found} is acknowledged instead of {correlation}").into()),
                None => looks += 1,
            }
            if looks.is_multiple_of(4096) {
                if start.elapsed() > PATIENCE {
                    return Err(format!("no acknowledgement within {PATIENCE:?}").into());
                }
                std::thread::yield_now();
            }
        }
    }
}

/// Spawns `count` rows round the shards; returns once each was acknowledged, once.
fn all_at_once(shards: &mut [Shard], kind: u32, arena: &mut Arena, count: u32) -> Result<Duration, Error> {
    let mut acknowledged = vec![false; count as usize];
    let (mut asked, mut done) = (0, 0);
    let start = Instant::now();
    let mut moved = start;
    while done < count {
        let before = (asked, done);
        for shard in shards.iter_mut() {
            // As many as go without looking for acknowledgements in between, and leave room for them.
            for _ in 0..32 {
                if asked == count || shard.spawn(kind, asked, arena)?.is_none() {
                    break;
                }
                asked += 1;
            }
            while let Some(correlation) = shard.acknowledgement()? {
                if std::mem::replace(&mut acknowledged[correlation as usize], true) {
                    return Err(format!("spawn {correlation} is acknowledged twice").into());
                }
                done += 1;
            }
        }
        if (asked, done) != before {
            moved = Instant::now();
        } else if moved.elapsed() > PATIENCE {
            return Err(format!("{done} of {asked} spawns acknowledged, then none within {PATIENCE:?}").into());
        } else {
            std::thread::yield_now();
        }
    }
    Ok(start.elapsed())
}
