//! Links between actors (`Ctx::link`): kept here, and acted upon when one of the two fails.
//!
//! - **K-1 (both ways)** A link is of two incarnations, whoever of them has made it; when one fails or is killed, the other fails with
//!   `FaultClass::Linked`, and so on along its own links, each with the failure that it began with.
//! - **K-2 (noproc)** Who links to somebody who is not there fails at once.
//! - **K-3 (in order)** What one actor says of its links, and then its end, is heard in this order: its shard's pump says all of it. Whether
//!   the other was there is looked at under the lock under which its end is said: so its end is heard of behind the link, or it was
//!   not there.
//!
//! Nobody takes that lock while it holds one of a port or of a group.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use resident_gpu::rows::RowId;
use resident_kernels::wire::LinkTo;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::device::core::Core;

/// An actor or a member: its shard and its row.
pub(crate) type Place = (u32, RowId);

/// What is said of links.
pub(crate) enum Event {
    /// One links itself to another, which is there or is not.
    Link(Place, Place, bool),
    /// One undoes its link to another.
    Unlink(Place, Place),
    /// One has failed or was killed; what its links hear of it.
    Failed(Place, String),
    /// One has ended, however that came. What was to be heard of it was said before.
    Ended(Place),
}

/// The way to who keeps links.
pub(crate) struct Links {
    /// K-3.
    events: Mutex<UnboundedSender<Event>>,
    /// Whether there ever was a link: before that nobody needs to hear of ends.
    used: AtomicBool,
}

impl Links {
    /// What gives events to the task that [`keep`] is.
    pub(crate) fn new() -> (Links, UnboundedReceiver<Event>) {
        let (events, receive) = unbounded_channel();
        (Links { events: Mutex::new(events), used: AtomicBool::new(false) }, receive)
    }

    /// Takes a link as its actor has emitted it; false if it can not be one, or is of another system's actor.
    pub(crate) fn add(&self, core: &Core, emitted: &[u8]) -> bool {
        let Ok(emitted) = emitted.try_into() else { return false };
        let to = LinkTo::from_bytes(emitted);
        let own = (to.own_shard, RowId { row: to.own_row, generation: to.own_generation });
        // An address of another system leads nowhere here.
        let generation = if to.system == core.device.system() { to.generation } else { 0 };
        let other = (to.shard, RowId { row: to.row, generation });
        // Ahead of the look at who is there: who ends behind that sees it.
        self.used.store(true, Ordering::Relaxed);
        let events = self.events.lock();
        let links = to.link >> 16 != 0;
        let event = if links { Event::Link(own, other, core.lives(other, to.link as u16)) } else { Event::Unlink(own, other) };
        events.send(event).is_ok()
    }

    fn say(&self, event: impl FnOnce() -> Event) {
        // The fault was recorded, or the row vacated, under a lock under which `add` looks whether somebody is there: so if `used` is
        // not seen here, that look comes behind it and finds nobody.
        if self.used.load(Ordering::Relaxed) {
            let event = event();
            let _ = self.events.lock().send(event);
        }
    }

    /// An actor has failed, with its fault recorded, or was killed: what its links hear of it.
    pub(crate) fn failed(&self, place: Place, why: impl FnOnce() -> String) {
        self.say(|| Event::Failed(place, why()));
    }

    /// An actor has left its row, or has asked for its end.
    pub(crate) fn ended(&self, place: Place) {
        self.say(|| Event::Ended(place));
    }
}

/// Keeps links as long as there is a system.
pub(crate) async fn keep(mut events: UnboundedReceiver<Event>, core: Weak<Core>) {
    let mut links = Table::default();
    while let Some(event) = events.recv().await {
        let Some(core) = core.upgrade() else { return };
        match event {
            Event::Link(one, other, there) => {
                if one == other {
                    continue;
                }
                if there {
                    links.add(one, other);
                } else {
                    let (shard, RowId { row, generation }) = other;
                    let text = format!("noproc: it linked itself to shard {shard}, row {row}, generation {generation}, where nobody is");
                    strike(&core, &mut links, one, text);
                }
            }
            Event::Unlink(one, other) => links.remove(one, other),
            Event::Failed(place, why) => fell(&core, &mut links, place, why),
            Event::Ended(place) => drop(links.take(place)),
        }
    }
}

/// Fails an actor, and everybody that falls with it.
fn strike(core: &Core, links: &mut Table, place: Place, text: String) {
    if let Some(who) = core.fail_linked(place, text.clone()) {
        fell(core, links, place, format!("{who} failed: {text}"));
    }
}

/// K-1: fails everybody that is linked to one who has fallen.
fn fell(core: &Core, links: &mut Table, place: Place, why: String) {
    let (shard, RowId { row, generation }) = place;
    let why = format!("{why} (shard {shard}, row {row}, generation {generation})");
    let mut fallen = VecDeque::from([(place, None)]);
    while let Some((place, who)) = fallen.pop_front() {
        for other in links.take(place) {
            // Where it did not begin there, the one in between is named too.
            let text = who.as_ref().map_or_else(|| why.clone(), |who| format!("by way of {who}: {why}"));
            if let Some(who) = core.fail_linked(other, text) {
                fallen.push_back((other, Some(who)));
            }
        }
    }
}

/// Who is linked to whom.
#[derive(Default)]
struct Table(HashMap<Place, HashSet<Place>>);

impl Table {
    fn add(&mut self, one: Place, other: Place) {
        self.0.entry(one).or_default().insert(other);
        self.0.entry(other).or_default().insert(one);
    }

    fn remove(&mut self, one: Place, other: Place) {
        for (one, other) in [(one, other), (other, one)] {
            if let Some(of) = self.0.get_mut(&one) {
                of.remove(&other);
                if of.is_empty() {
                    self.0.remove(&one);
                }
            }
        }
    }

    /// Takes all links of one.
    fn take(&mut self, place: Place) -> HashSet<Place> {
        let others = self.0.remove(&place).unwrap_or_default();
        for other in &others {
            if let Some(of) = self.0.get_mut(other) {
                of.remove(&place);
                if of.is_empty() {
                    self.0.remove(other);
                }
            }
        }
        others
    }
}
