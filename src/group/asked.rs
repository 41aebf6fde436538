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
        // Said by `send` where nothing was sent and no more will be.
        let mut why = AskError::Stopped;
        let answer = ask::once::<M>(&self.core, self.kind_index, timeout, |line, tag| {
            let table = self.table.read();
            let Some((slot, seat)) = table.find(key).and_then(|slot| Some((slot, table.seat(slot)?))) else {
                why = AskError::Unknown;
                return Err(Unsent::Stopped);
            };
            let (port, id) = (self.port(seat.shard), seat.id);
            let sent = match table.to(slot, self.kind, self.kind_index) {
                Some(to) => port.direct::<A, M>(&to, request, line, tag, 0),
                None => Err(Unsent::Stopped),
            };
            sent.map(|()| (port, id)).inspect_err(|_| {
                why = match (table.fault(slot), self.core.lost()) {
                    (Some(fault), _) => AskError::Failed(Box::new(fault)),
                    (None, Some(fault)) => AskError::Lost(fault.to_string()),
                    (None, None) => AskError::Stopped,
                };
            })
        });
        answer.map_err(|miss| match miss {
            Miss::Answered(error) => error,
            Miss::Unsent => why,
        })
    }
}
