//! A member asked by a thread that waits.

use std::time::Duration;

use resident_kernels::actor::{Handles, Message};

use super::members::Group;
use super::table::Key;
use crate::actor::ask::{self, Miss};
use crate::error::AskError;
use crate::shard::link::Unsent;

impl<K: Key> Group<K> {
    /// Sends a request to a member and waits for its reply.
    pub(crate) fn ask<A: Handles<M>, M: Message>(&self, key: &K, request: &M, timeout: Duration) -> Result<M::Reply, AskError> {
        loop {
            let device = self.device_of(key);
            // Said by `send` where nothing was sent and no more will be; none where the member has begun afresh on another device.
            let mut why = Some(AskError::Stopped);
            let answer = ask::once::<M>(self.core(device), self.kind_index, timeout, |line, tag| {
                let table = self.table.read();
                let Some((slot, seat)) = table.find(key).and_then(|slot| Some((slot, table.seat(slot)?))) else {
                    why = Some(AskError::Unknown);
                    return Err(Unsent::Stopped);
                };
                if seat.device != device {
                    why = None;
                    return Err(Unsent::Stopped);
                }
                let (port, id) = (self.port(seat.shard), seat.id);
                let sent = match table.to(slot, self.kind, self.kind_index) {
                    Some(to) => port.direct::<A, M>(&to, request, line, tag, 0),
                    None => Err(Unsent::Stopped),
                };
                sent.map(|_| (port, id)).inspect_err(|_| {
                    why = Some(match (table.fault(slot), self.core(device).lost()) {
                        (Some(fault), _) => AskError::Failed(Box::new(fault)),
                        (None, Some(fault)) => AskError::Lost(fault.to_string()),
                        (None, None) => AskError::Stopped,
                    });
                })
            });
            return match (answer, why) {
                (Ok(reply), _) => Ok(reply),
                (Err(Miss::Answered(error)), _) => Err(error),
                (Err(Miss::Unsent), Some(why)) => Err(why),
                (Err(Miss::Unsent), None) => continue,
            };
        }
    }

    /// The place of the device that a member is on, by whose reply lines it answers; the first where there is no such member.
    fn device_of(&self, key: &K) -> u8 {
        if self.devices().len() == 1 {
            return 0;
        }
        let table = self.table.read();
        table.find(key).and_then(|slot| table.seat(slot)).map_or(0, |seat| seat.device)
    }
}
