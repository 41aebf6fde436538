//! To every member: told, or asked and the replies folded.

use futures_util::future::join_all;
use resident_kernels::actor::{Handles, Message};
use resident_kernels::host::{Answer, End};
use resident_kernels::plain::Plain;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::yield_now;

use super::Folded;
use super::members::Group;
use super::table::{Key, Member, Phase, Stage, Table, To};
use crate::error::CastError;
use crate::shard::link::Unsent;
use crate::shard::port::{Port, TURN};

/// Calls of one fold that wait for their replies.
const WINDOW: usize = 4096;
/// Turns between two looks at what else the task's thread has to do.
const YIELD_EVERY: usize = 32;

/// The members of one shard, and who of them is next.
struct Lane {
    shard: u32,
    slots: Vec<u32>,
    next: usize,
}

impl Lane {
    fn is_done(&self) -> bool {
        self.next == self.slots.len()
    }
}

/// What a turn came to.
struct Turn {
    sent: usize,
    /// Members that took nothing.
    passed_over: usize,
    why: Option<Unsent>,
}

/// The answer to a call of one member. Without a reply the member has failed or was stopped.
fn asked<K: Key, R: Plain + Send + 'static>(key: K, heard: UnboundedSender<(K, Option<R>)>) -> Answer {
    Answer::new(move |end: End<'_>| {
        // Who folds may have gone.
        let _ = heard.send((key, end.ok().map(R::decode)));
    })
}

/// Calls on their way to all members.
struct Asking<'a, K, R> {
    message: u16,
    payload: &'a [u8],
    lanes: Vec<Lane>,
    heard: UnboundedSender<(K, Option<R>)>,
    in_flight: usize,
    passed_over: usize,
}

impl<K: Key, R: Plain + Send + 'static> Asking<'_, K, R> {
    /// Calls more of them, as many as may be in flight; the first shard whose ring is full.
    fn more(&mut self, group: &Group<K>) -> Option<u32> {
        let Asking { message, payload, lanes, heard, in_flight, passed_over } = self;
        let mut full = None;
        for lane in lanes {
            while !lane.is_done() && *in_flight < WINDOW {
                let turn = group.turn(lane, WINDOW - *in_flight, |port, table, to, slots| {
                    let answer = |at: usize| match table.key(slots[at]) {
                        Some(key) => asked(key.clone(), heard.clone()),
                        // Not while the table is locked: these slots were just found to be somebody's.
                        None => Answer::new(|_: End<'_>| {}),
                    };
                    port.call_each(to, *message, payload, answer)
                });
                *in_flight += turn.sent;
                *passed_over += turn.passed_over;
                match turn.why {
                    None => {}
                    Some(Unsent::Full) => {
                        full = full.or(Some(lane.shard));
                        break;
                    }
                    // Nobody is left to be asked.
                    Some(Unsent::Lost | Unsent::Stopped | Unsent::Forked) => {
                        *passed_over += lane.slots.len() - lane.next;
                        lane.next = lane.slots.len();
                    }
                }
            }
        }
        full
    }
}

/// The bytes of a message.
fn payload<M: Message>(message: &M) -> Vec<u8> {
    let mut payload = vec![0; size_of::<M>()];
    message.encode(&mut payload);
    payload
}

impl<K: Key> Group<K> {
    /// Sends a message to all that are members now; how many took it.
    pub(crate) async fn tell_all<A: Handles<M>, M: Message>(&self, message: &M) -> Result<usize, CastError<()>> {
        let payload = payload(message);
        let (lanes, _) = self.lanes()?;
        let told = join_all(lanes.into_iter().map(|lane| self.tell_lane(lane, A::INDEX, &payload))).await;
        // A device that is lost costs its own members alone.
        let why = told.iter().find_map(|(_, why)| why.filter(|why| !matches!(why, Unsent::Lost) || self.quarters.are_lost()));
        why.map_or_else(|| Ok(told.iter().map(|(told, _)| told).sum()), |why| Err(why.with(())))
    }

    /// How many of a lane took it, and why no more did.
    async fn tell_lane(&self, mut lane: Lane, message: u16, payload: &[u8]) -> (usize, Option<Unsent>) {
        let port = self.port(lane.shard);
        let mut told = 0;
        let mut turn = |lane: &mut Lane| {
            let Turn { sent, why, .. } = self.turn(lane, TURN, |port, _, to, _| port.cast_each(to, message, payload));
            told += sent;
            why
        };
        for turns in 1.. {
            if lane.is_done() {
                break;
            }
            match turn(&mut lane) {
                None => {}
                Some(Unsent::Full) => {
                    let again = |()| match turn(&mut lane) {
                        Some(Unsent::Full) => Err(()),
                        why => Ok(why),
                    };
                    if let Ok(Some(unsent)) = port.try_or_wait((), again).await {
                        return (told, Some(unsent));
                    }
                }
                Some(unsent) => return (told, Some(unsent)),
            }
            if turns % YIELD_EVERY == 0 {
                yield_now().await;
            }
        }
        (told, None)
    }

    /// Calls all that are members now, and folds their replies in the order in which they come.
    pub(crate) async fn fold<A: Handles<M>, M: Message, T>(
        &self,
        message: &M,
        init: T,
        mut f: impl FnMut(T, &K, M::Reply) -> T,
    ) -> Result<Folded<T>, CastError<()>>
    where
        M::Reply: Send + 'static,
    {
        let payload = payload(message);
        let (lanes, failed) = self.lanes()?;
        let mut folded = Folded { value: init, replies: 0, failed };
        let (heard, mut replies) = unbounded_channel();
        let mut asking = Asking { message: A::INDEX, payload: &payload, lanes, heard, in_flight: 0, passed_over: 0 };
        loop {
            let full = asking.more(self);
            if asking.in_flight > 0 {
                let mut next = replies.recv().await;
                while let Some((key, reply)) = next {
                    asking.in_flight -= 1;
                    match reply {
                        Some(reply) => {
                            folded.replies += 1;
                            folded.value = f(folded.value, &key, reply);
                        }
                        None => folded.failed += 1,
                    }
                    next = replies.try_recv().ok();
                }
            } else if let Some(shard) = full {
                let port = self.port(shard);
                let again = |()| if asking.more(self) == full && asking.in_flight == 0 { Err(()) } else { Ok(()) };
                let _ = port.try_or_wait((), again).await;
            } else {
                folded.failed += asking.passed_over;
                return Ok(folded);
            }
        }
    }

    /// The members now, by shard, and how many of them have failed.
    fn lanes(&self) -> Result<(Vec<Lane>, usize), CastError<()>> {
        let mut lanes: Vec<_> = (0..self.shards().len() as u32).map(|shard| Lane { shard, slots: Vec::new(), next: 0 }).collect();
        let mut failed = 0;
        let table = self.table.read();
        if table.stage != Stage::Open {
            return Err(CastError::Stopped(()));
        }
        for (slot, Member { seat, .. }) in table.slots() {
            match seat.phase {
                Phase::Failed | Phase::Gone => failed += 1,
                _ => lanes[seat.shard as usize].slots.push(slot),
            }
        }
        Ok((lanes, failed))
    }

    /// Sends to up to `most` members of a lane, under one lock.
    fn turn(
        &self,
        lane: &mut Lane,
        most: usize,
        push: impl FnOnce(&Port, &Table<K>, &[To<'_>], &[u32]) -> (usize, Option<Unsent>),
    ) -> Turn {
        let table = self.table.read();
        let end = lane.slots.len().min(lane.next + most.min(TURN));
        let turn = &lane.slots[lane.next..end];
        // A group that has ended meanwhile has no seats, and another member may have the slot.
        let is_here = |slot: u32| table.seat(slot).is_some_and(|seat| seat.shard == lane.shard);
        let to = |slot: &u32| if is_here(*slot) { table.to(*slot, self.kind, self.kind_index) } else { None };
        let (slots, to): (Vec<u32>, Vec<To<'_>>) = turn.iter().filter_map(|slot| Some((*slot, to(slot)?))).unzip();
        let (sent, why) = push(self.port(lane.shard), &table, &to, &slots);
        // How far it came, and whether the one there is passed over: an actor of its own that has just stopped.
        let (came, why) = match why {
            None => (turn.len(), None),
            Some(why) => {
                let at = turn.iter().position(|slot| *slot == slots[sent]).unwrap_or(turn.len());
                if matches!(why, Unsent::Stopped) { (at + 1, None) } else { (at, Some(why)) }
            }
        };
        lane.next += came;
        Turn { sent, passed_over: came - sent, why }
    }
}
