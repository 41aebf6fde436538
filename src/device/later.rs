//! Messages that actors send later (`Ctx::send_after`): kept here until they are due, then sent as the application sends, unless their
//! actor has taken them back (`Ctx::cancel`).

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use resident_gpu::ring::Frame;
use resident_gpu::rows::RowId;
use resident_kernels::actor::Kind;
use resident_kernels::plain::Plain;
use resident_kernels::timer::Timer;
use resident_kernels::wire::{DEVICE_BITS, SendLater};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_util::time::DelayQueue;
use tokio_util::time::delay_queue::Key;

use crate::device::core::Core;
use crate::device::shared::Shared;
use crate::shard::link::{Recipient, Unsent};
use crate::shard::occupant::Tenant;
use crate::shard::port::Port;

/// The longest that a message is kept, well within what the queue takes: two years less some days.
const LONGEST: Duration = Duration::from_secs(700 * 24 * 3600);

/// A message that is sent later.
pub(crate) struct Later {
    device: usize,
    shard: u32,
    id: RowId,
    message: u16,
    /// Of the kind that its sender takes its receiver for.
    tag: u16,
    payload: Vec<u8>,
}

/// What actors say of timers, each in its order.
pub(crate) enum Event {
    /// A message is to be sent, and when.
    Set(Timer, Instant, Later),
    /// It is not to be sent.
    Cancel(Timer),
}

/// The way to those that wait.
#[derive(Clone)]
pub(crate) struct Timers {
    send: UnboundedSender<Event>,
    /// How many wait.
    waiting: Arc<AtomicUsize>,
}

/// What comes that way.
pub(crate) struct Coming {
    events: UnboundedReceiver<Event>,
    waiting: Arc<AtomicUsize>,
}

impl Timers {
    /// What gives messages to the task that [`keep`] is.
    pub(crate) fn new() -> (Timers, Coming) {
        let (send, events) = unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        (Timers { send, waiting: waiting.clone() }, Coming { events, waiting })
    }

    /// How many messages are not due.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Keeps a message, as an actor of the device with this number has emitted it; false if it can not be one, or is for another system.
    pub(crate) fn add(&self, own: u32, emitted: &[u8]) -> bool {
        let Some((head, rest)) = emitted.split_first_chunk() else { return false };
        let Some((timer, payload)) = rest.split_at_checked(size_of::<Timer>()) else { return false };
        let SendLater { system, row, generation, shard, micros, message, .. } = SendLater::from_bytes(head);
        if (system ^ own) >> DEVICE_BITS != 0 {
            return false;
        }
        let (device, id) = ((system & ((1 << DEVICE_BITS) - 1)) as usize, RowId { row, generation });
        let later = Later { device, shard, id, message: message as u16, tag: (message >> 16) as u16, payload: payload.to_vec() };
        let due = Instant::now() + Duration::from_micros(micros).min(LONGEST);
        // Where the task has ended the system has, and what waits with it.
        self.send.send(Event::Set(Timer::decode(timer), due, later)).is_ok()
    }

    fn cancel(&self, timer: Timer) -> bool {
        self.send.send(Event::Cancel(timer)).is_ok()
    }
}

/// Takes a message back, as an actor has emitted it, whichever device keeps that; false if it can not be a timer.
pub(crate) fn cancel(shared: &Shared, emitted: &[u8]) -> bool {
    if emitted.len() != size_of::<Timer>() {
        return false;
    }
    let timer = Timer::decode(emitted);
    // One of a checkpoint may be of more devices than there are.
    shared.peer(timer.device()).is_none_or(|peer| peer.timers.cancel(timer))
}

/// Keeps messages until they are due, as long as there is a system.
pub(crate) async fn keep(coming: Coming, core: Weak<Core>) {
    let Coming { events: mut come, waiting: count } = coming;
    let mut waiting = Waiting::default();
    loop {
        tokio::select! {
            event = come.recv() => match event {
                Some(event) => waiting.hear(event),
                None => return,
            },
            Some(due) = waiting.queue.next(), if !waiting.queue.is_empty() => {
                let timer = due.into_inner();
                waiting.is_due(timer);
                // Whoever cancels it may have been heard already.
                for _ in 0..come.len() {
                    if let Ok(event) = come.try_recv() {
                        waiting.hear(event);
                    }
                }
                let Some(core) = core.upgrade() else { return };
                if let Some((later, _)) = waiting.messages.remove(&timer) {
                    deliver(core, later);
                }
            }
        }
        count.store(waiting.messages.len(), Ordering::Relaxed);
    }
}

/// Messages that are not due.
#[derive(Default)]
struct Waiting {
    queue: DelayQueue<Timer>,
    /// Each with its place in the queue, which it leaves when it is due.
    messages: HashMap<Timer, (Later, Option<Key>)>,
}

impl Waiting {
    fn hear(&mut self, event: Event) {
        match event {
            Event::Set(timer, due, later) => {
                // A checkpoint that is redelivered says once more what was heard.
                self.cancel(timer);
                let place = self.queue.insert_at(timer, due);
                self.messages.insert(timer, (later, Some(place)));
            }
            Event::Cancel(timer) => self.cancel(timer),
        }
    }

    fn is_due(&mut self, timer: Timer) {
        if let Some((_, place)) = self.messages.get_mut(&timer) {
            *place = None;
        }
    }

    fn cancel(&mut self, timer: Timer) {
        if let Some((_, Some(place))) = self.messages.remove(&timer) {
            self.queue.remove(&place);
        }
    }
}

/// Sends a message that is due.
fn deliver(core: Arc<Core>, later: Later) {
    let found = core.shared.port(later.device, later.shard as usize).cloned();
    let Some((to, port)) = found.and_then(|port| Some((To::find(&core, &port, &later)?, port))) else {
        return core.dead_letter();
    };
    match port.cast_each(std::slice::from_ref(&to), later.message, &later.payload) {
        (_, None) => {}
        // The others do not wait for this one.
        (_, Some(Unsent::Full)) => drop(tokio::spawn(async move {
            if !when_there_is_room(&port, &to, &later).await {
                core.dead_letter();
            }
        })),
        (_, Some(Unsent::Stopped | Unsent::Lost | Unsent::Forked)) => core.dead_letter(),
    }
}

async fn when_there_is_room(port: &Port, to: &To, later: &Later) -> bool {
    let again = |()| match port.cast_each(std::slice::from_ref(to), later.message, &later.payload) {
        (_, None) => Ok(true),
        (_, Some(Unsent::Full)) => Err(()),
        (_, Some(Unsent::Stopped | Unsent::Lost | Unsent::Forked)) => Ok(false),
    };
    port.with_room((), again).await
}

/// Who gets it.
struct To {
    tenant: Tenant,
    id: RowId,
    kind: &'static Kind,
    kind_index: u32,
}

impl To {
    /// Who lives where the message is to go, if it is one of theirs.
    fn find(core: &Core, port: &Port, later: &Later) -> Option<To> {
        let tenant = port.tenant(later.id)?;
        if tenant.fault(later.id).is_some() {
            return None;
        }
        let kind = tenant.kind();
        let info = kind.messages.get(later.message as usize)?;
        if kind.tag() != later.tag || info.bytes as usize != later.payload.len() {
            return None;
        }
        Some(To { tenant, id: later.id, kind, kind_index: core.device.kind_index(kind)? })
    }
}

impl Recipient for To {
    fn is_open(&self) -> bool {
        self.tenant.who.is_open()
    }

    fn row(&self) -> RowId {
        self.id
    }

    fn kind(&self) -> &'static Kind {
        self.kind
    }

    fn kind_index(&self) -> u32 {
        self.kind_index
    }

    fn sent(&self, frame: &Frame<'_>) {
        self.tenant.who.sent(frame);
    }
}
