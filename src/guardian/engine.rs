//! Carries out what the policy decides, and tells it what happened. One task for each supervisor, which never waits for anything
//! but its next event: what takes time runs beside it and reports back.
//!
//! - **GE-1 (gone first)** A child counts as ended when its task has ended, its state is dropped, and, for a resident actor, the
//!   device has released its row; only then the policy hears of it, and may start the next.
//! - **GE-2 (one voice)** What a framework tells of an actor that is not a child's present one changes nothing.
//! - **GE-3 (last word)** The supervisor's own actor ends after the last child, however the engine ends.
//! - **GE-4 (stopped or killed)** What was killed did not end in order, however soon its children were gone: where the front ended
//!   first, it says which of the two it was.
//! - **GE-5 (no one waits)** What comes too late for the engine is turned away: who has asked hears that it is over, whom somebody has
//!   started ends.
//! - **GE-6 (cut off)** A supervisor whose runtime ends first was killed.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use resident_host::apart;
use resident_supervisor::{Action, Child, ChildKey, End, Event as Told, Exit, Flags, Kind, Outcome, Request, RequestId, Start, Target};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::Instrument;

use super::child::{Entry, Gone, Here, Order};
use super::error::{Cause, Ended, SupervisorError, said};
use super::event::{Asked, Event, Found, Heard};
use super::front::{Front, SHUTDOWN};
use super::handle::SupervisorRef;
use super::report::Report;
use super::spec::ChildSpec;
use super::start::{Context, Failure, GiveUp, Running, Started, Urgency, What};
use crate::actor::home::Home;
use crate::actor::shell::Shell;
use crate::fault::GpuFault;
use crate::who::ActorKey;

/// The engine of one supervisor.
pub(crate) struct Engine {
    machine: resident_supervisor::Supervisor<Cause>,
    /// Where the machine's time begins.
    origin: Instant,
    children: HashMap<ChildKey, Entry>,
    /// Whose an actor is.
    actors: HashMap<ActorKey, ChildKey>,
    /// Ends of actors whose starts are not reported yet.
    strays: HashMap<ActorKey, Heard>,
    requests: HashMap<RequestId, oneshot::Sender<Asked>>,
    /// Children that were asked for and not accepted yet.
    offered: HashMap<RequestId, ChildSpec>,
    next_request: u64,
    /// Proxies that were retired and have not ended yet.
    leaving: Vec<Gone>,
    kill_bound: Duration,
    front: Front,
    /// The front hands on nothing any more.
    deaf: bool,
    /// The policy knows that the front stops.
    ending: bool,
    events: mpsc::UnboundedSender<Event>,
    report: Report,
    ready: Option<oneshot::Sender<Result<(), SupervisorError>>>,
    /// How it ends, once it does.
    exit: Option<End<Cause>>,
    end: Arc<OnceLock<Option<SupervisorError>>>,
    name: Arc<str>,
}

/// GE-3, GE-6.
struct LastWord {
    front: Arc<dyn Shell>,
    name: Arc<str>,
    end: Arc<OnceLock<Option<SupervisorError>>>,
}

impl Drop for LastWord {
    fn drop(&mut self) {
        // Said already, unless it went with its runtime.
        let _ = self.end.set(Some(SupervisorError::Killed(self.name.clone())));
        self.front.stop(Some(SHUTDOWN.into()));
    }
}

/// GE-5.
async fn turn_away(mut events: mpsc::UnboundedReceiver<Event>) {
    events.close();
    // Dropped, a receiver does not wait for who is in the middle of sending: what it sends would lie there, and its answer be awaited, for as
    // long as anybody has a handle.
    while let Some(event) = events.recv().await {
        if let Event::Started { result: Ok(Started::New(running)), .. } = event {
            running.shell.kill();
        }
    }
}

impl Engine {
    pub(crate) fn new(
        supervisor: &SupervisorRef,
        machine: resident_supervisor::Supervisor<Cause>,
        flags: Flags,
        children: Vec<ChildSpec>,
        front: Front,
        ready: oneshot::Sender<Result<(), SupervisorError>>,
    ) -> Engine {
        let keys: Vec<_> = machine.which_children().into_iter().map(|info| info.child.key).collect();
        Engine {
            machine,
            origin: Instant::now(),
            children: keys.into_iter().zip(children.into_iter().map(Entry::new)).collect(),
            actors: HashMap::new(),
            strays: HashMap::new(),
            requests: HashMap::new(),
            offered: HashMap::new(),
            next_request: 0,
            leaving: Vec::new(),
            kill_bound: flags.kill_bound,
            front,
            deaf: false,
            ending: false,
            events: supervisor.engine.clone(),
            report: Report { supervisor: supervisor.name.clone(), strategy: flags.strategy },
            ready: Some(ready),
            exit: None,
            end: supervisor.end.clone(),
            name: supervisor.name.clone(),
        }
    }

    /// Runs until the supervisor has ended; `running` is closed then.
    pub(crate) async fn run(mut self, mut events: mpsc::UnboundedReceiver<Event>, running: watch::Sender<()>) {
        let _last_word = LastWord { front: self.front.shell.clone(), name: self.name.clone(), end: self.end.clone() };
        // Dropped first: whoever waits in the front's `post_stop` goes on.
        let _running = running;
        for slot in self.children.values().filter_map(|entry| self.foreign_slot(&entry.spec)).collect::<Vec<_>>() {
            self.attend(slot);
        }
        self.tell(Told::Boot);
        while self.exit.is_none() {
            match events.recv().await {
                Some(Event::Abandoned) | None => break,
                Some(event) => self.handle(event),
            }
        }
        self.stopped_or_killed(&mut events).await;
        for here in self.children.values().filter_map(|entry| entry.here.as_ref()) {
            // Zombies; where the front was killed, all.
            here.shell.kill();
        }
        self.all_left().await;
        let end = match self.exit.take() {
            Some(end) => self.report.exit(end),
            None => Some(SupervisorError::Killed(self.name.clone())),
        };
        if let (Some(ready), Some(error)) = (self.ready.take(), &end) {
            let _ = ready.send(Err(error.clone()));
        }
        let _ = self.end.set(end);
        turn_away(events).await;
    }

    /// GE-4.
    async fn stopped_or_killed(&mut self, events: &mut mpsc::UnboundedReceiver<Event>) {
        while self.exit.is_some() && self.ending && !self.deaf {
            match events.recv().await {
                Some(Event::Shutdown) => self.deaf = true,
                Some(Event::Abandoned) | None => self.exit = None,
                // Nobody decides on it any more.
                Some(_) => {}
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Started { child, result } => self.started(child, result),
            Event::Heard { who, heard } => self.heard(who, heard),
            Event::Gone { key, who, heard } => self.gone(key, who, heard),
            Event::Flushed { key, who } => {
                if self.here(key, who).is_some_and(|here| here.is_gone) {
                    self.conclude(key);
                }
            }
            Event::Faulted { key } => self.faulted(key),
            Event::Rested { child, end } => self.rested(child, end),
            Event::Exited { child, exit, cause } => self.tell(Told::Exited { child, exit, cause }),
            Event::Wake { at } => self.tell(Told::Wake { at }),
            Event::Available { device } => self.tell(Told::Available { device }),
            Event::StartChild { spec, reply } => {
                let request = Request::StartChild(spec.policy.clone());
                self.request(request, Some(spec), reply);
            }
            Event::Request { request, reply } => {
                if let Request::Reconfigure(flags) = &request {
                    (self.kill_bound, self.report.strategy) = (flags.kill_bound, flags.strategy);
                }
                self.request(request, None, reply);
            }
            Event::WhichChildren(reply) => drop(reply.send(self.machine.which_children())),
            Event::CountChildren(reply) => drop(reply.send(self.machine.count_children())),
            Event::Find { target, reply } => drop(reply.send(self.find(target))),
            Event::Shutdown => {
                self.deaf = true;
                self.tell(Told::Shutdown);
                let unheard = |entry: &Entry| entry.here.as_ref().is_some_and(|here| here.is_gone);
                let keys: Vec<_> = self.children.iter().filter(|(_, entry)| unheard(entry)).map(|(key, _)| *key).collect();
                for key in keys {
                    self.conclude(key);
                }
            }
            Event::Abandoned => {}
        }
    }

    fn tell(&mut self, event: Told<Cause>) {
        // From then on the framework links no child, and every start would fail.
        if !self.ending && !self.front.shell.takes_messages() {
            self.ending = true;
            self.decide(Told::Shutdown);
        }
        self.decide(event);
    }

    fn decide(&mut self, event: Told<Cause>) {
        if let Told::Exited { child, .. } | Told::Started { child, .. } = &event
            && let Some(entry) = self.children.get_mut(&child.key)
        {
            entry.note(&event);
        }
        for action in self.machine.handle(event, self.origin.elapsed()) {
            self.carry_out(action);
        }
    }

    fn carry_out(&mut self, action: Action<Cause>) {
        match action {
            Action::Start { child, start } => self.start(child, start),
            Action::Stop { child, drain } => self.order(child, Order::Stop { drain }),
            Action::Kill { child } => self.order(child, Order::Kill),
            Action::Zombie { child } => {
                if let Some(entry) = self.children.get(&child.key) {
                    self.report.zombie(&entry.spec.policy.id);
                }
            }
            Action::Retire { child, forget } => self.retire(child, forget),
            Action::Accept { request, child } => {
                if let Some(spec) = self.offered.remove(&request) {
                    if let Some(slot) = self.foreign_slot(&spec) {
                        self.attend(slot);
                    }
                    self.children.insert(child, Entry::new(spec));
                }
            }
            Action::Reply { request, reply } => self.reply(request, reply),
            Action::Wake { at } => {
                let (events, at_instant) = (self.events.clone(), self.origin + at);
                tokio::spawn(async move {
                    tokio::select! {
                        () = sleep_until(at_instant) => drop(events.send(Event::Wake { at })),
                        () = events.closed() => {}
                    }
                });
            }
            Action::Ready => {
                if let Some(ready) = self.ready.take() {
                    let _ = ready.send(Ok(()));
                }
            }
            Action::Exit(end) => self.exit = Some(end),
        }
    }

    fn start(&mut self, child: Child, start: Start) {
        let Some(entry) = self.children.get_mut(&child.key) else { return };
        self.report.start(&entry.spec.policy.id, child, start, entry.reason);
        let (tell, give_up) = watch::channel(Urgency::GoOn);
        entry.child = Some(child);
        entry.starting = Some(tell);
        entry.order = None;
        entry.faulted = false;
        let left = entry.left.take();
        let leaving = entry.leaving.take();
        let context = Context {
            name: entry.spec.name.clone(),
            front: self.front.shell.clone(),
            give_up: GiveUp(give_up),
            keeper: {
                let (events, key) = (self.events.clone(), child.key);
                Box::new(move || events.send(Event::Faulted { key }).is_ok())
            },
            home: entry.home().cloned(),
            resume: left.filter(|_| start == Start::Resume),
        };
        let span = self.report.span(&entry.spec.policy.id, child, start, entry.reason);
        let (start, events) = (entry.spec.start.clone(), self.events.clone());
        let starts = async move {
            let started = async {
                if let Some(leaving) = leaving {
                    leaving.wait().await;
                }
                start(context).await
            };
            let result = AssertUnwindSafe(started).catch_unwind().await;
            let result = result.unwrap_or_else(|panic| Err(Failure::Failed(Cause::new(format!("its start panicked: {}", said(&*panic))))));
            if let Err(mpsc::error::SendError(Event::Started { result: Ok(Started::New(running)), .. })) =
                events.send(Event::Started { child, result })
            {
                running.shell.kill();
            }
        };
        tokio::spawn(starts.instrument(span));
    }

    fn started(&mut self, child: Child, result: Result<Started, Failure>) {
        let key = child.key;
        let Some(entry) = self.children.get_mut(&key).filter(|entry| entry.child == Some(child)) else {
            if let Ok(Started::New(running)) = result {
                running.shell.kill();
            }
            return;
        };
        entry.starting = None;
        let outcome = match result {
            Ok(Started::New(running)) => {
                self.settle(key, running);
                Outcome::Running
            }
            Ok(Started::InPlace) => {
                entry.resting = false;
                Outcome::Running
            }
            Err(failure) => {
                // What had ended before the start did is no news.
                if let Some(here) = entry.here.take_if(|here| here.is_gone) {
                    self.actors.remove(&here.shell.who().key);
                }
                match failure {
                    Failure::Failed(cause) => Outcome::Failed(cause),
                    Failure::Lost(cause) => Outcome::Lost(cause),
                    Failure::Ignored | Failure::GivenUp => Outcome::Ignored,
                }
            }
        };
        if !self.children.values().any(|entry| entry.starting.is_some()) {
            self.strays.clear();
        }
        let runs = matches!(outcome, Outcome::Running);
        self.tell(Told::Started { child, outcome });
        let Some(entry) = self.children.get_mut(&key).filter(|entry| runs && entry.child == Some(child)) else { return };
        // What came meanwhile.
        if entry.here.as_ref().is_some_and(|here| here.is_gone) {
            self.conclude(key);
        } else if let Some(order) = entry.order {
            self.obey(child, order);
        } else if entry.faulted {
            self.faulted(key);
        }
    }

    /// A child has an actor that was not there before.
    fn settle(&mut self, key: ChildKey, running: Running) {
        let Some(entry) = self.children.get_mut(&key) else { return };
        let Running { shell, over, what } = running;
        let who = shell.who().key;
        let (end, gone) = watch::channel(());
        let events = self.events.clone();
        tokio::spawn(async move {
            let heard = over.await;
            drop(end);
            let _ = events.send(Event::Gone { key, who, heard });
        });
        if let (What::Device(system), Some(slot)) = (&what, &entry.spec.slot) {
            slot.set(Some(system.clone()));
        }
        let here = Here { shell, what, gone: Gone(gone), is_gone: false, heard: None, dropping: None };
        if let Some(before) = entry.here.replace(here) {
            self.actors.remove(&before.shell.who().key);
        }
        entry.resting = false;
        self.actors.insert(who, key);
        if let Some(heard) = self.strays.remove(&who) {
            self.heard(who, heard);
        }
    }

    fn here(&mut self, key: ChildKey, who: ActorKey) -> Option<&mut Here> {
        self.children.get_mut(&key)?.here.as_mut().filter(|here| here.shell.who().key == who)
    }

    /// GE-2.
    fn heard(&mut self, who: ActorKey, mut heard: Heard) {
        let Some(&key) = self.actors.get(&who) else {
            if self.children.values().any(|entry| entry.starting.is_some()) {
                self.strays.insert(who, heard);
            }
            return;
        };
        let Some(here) = self.here(key, who) else { return };
        if let (What::Actor, Heard::Ended { state, .. }) = (&here.what, &mut heard)
            && let Some(state) = state.take()
        {
            let runtime = Handle::current();
            let dropped = apart(move || {
                let _in_it = runtime.enter();
                drop(state);
            });
            // Where there is no thread for it, it is dropped at once.
            here.dropping = Some(tokio::spawn(async move { drop(dropped.await) }));
        }
        here.heard = Some(heard);
        if here.is_gone {
            self.conclude(key);
        }
    }

    fn gone(&mut self, key: ChildKey, who: ActorKey, heard: Option<Heard>) {
        let deaf = self.deaf;
        let Some(here) = self.here(key, who) else { return };
        here.is_gone = true;
        if let Some(heard) = heard {
            return self.heard(who, heard);
        }
        // The framework has said how it ended before it ended, to the front; that may still be on its way from there.
        if here.heard.is_some() || deaf || !self.front.flush(key, who) {
            self.conclude(key);
        }
    }

    /// GE-1: a child's actor is gone, and what can be known of its end is.
    fn conclude(&mut self, key: ChildKey) {
        let Some(entry) = self.children.get_mut(&key) else { return };
        if entry.starting.is_some() {
            return;
        }
        let (Some(child), Some(mut here)) = (entry.child, entry.here.take()) else { return };
        self.actors.remove(&here.shell.who().key);
        entry.resting = false;
        let heard = match &here.what {
            What::Device(system) => {
                if let Some(slot) = &entry.spec.slot {
                    slot.set(None);
                }
                system.fleet().lost().map(|fault| Heard::Ended { exit: Exit::Lost, cause: Cause::new(fault.clone()), state: None })
            }
            // An ordered stop of the device ends its actors, too; those that live wherever it is wait for it.
            What::Gpu { home, .. } => (entry.spec.slot.as_ref().zip(home.life().core.check_running().err()))
                .filter(|_| matches!(here.heard, Some(Heard::Ended { .. })) && !home.life().core.is_lost_alone())
                .map(|(_, why)| Heard::Ended { exit: Exit::Lost, cause: Cause::new(why), state: None }),
            What::Actor | What::Supervisor(_) => None,
        };
        let moves = matches!(&here.what, What::Gpu { home, .. } if home.life().core.is_lost_alone());
        let (exit, cause) = entry.exit(heard.or(here.heard.take()), moves);
        self.report.ended(&entry.spec.policy.id, &cause);
        match here.dropping {
            None => self.tell(Told::Exited { child, exit, cause }),
            Some(dropping) => {
                let events = self.events.clone();
                tokio::spawn(async move {
                    // That it panicked is no matter of the child any more.
                    let _ = dropping.await;
                    events.send(Event::Exited { child, exit, cause })
                });
            }
        }
    }

    fn faulted(&mut self, key: ChildKey) {
        let Some(entry) = self.children.get_mut(&key) else { return };
        if entry.starting.is_some() {
            entry.faulted = true;
            return;
        }
        let (Some(child), Some(home), false) = (entry.child, entry.home().cloned(), entry.resting) else { return };
        entry.resting = true;
        let events = self.events.clone();
        tokio::spawn(async move {
            let end = home.rested().await;
            events.send(Event::Rested { child, end })
        });
    }

    fn rested(&mut self, child: Child, end: Result<(), GpuFault>) {
        let Some(entry) = self.children.get_mut(&child.key).filter(|entry| entry.child == Some(child)) else { return };
        let (exit, cause) = match end {
            Ok(()) => (Exit::Shutdown, Cause::new(Ended::Because(SHUTDOWN.into()))),
            Err(fault) => {
                let moves = entry.home().is_some_and(|home| home.life().core.is_lost_alone());
                entry.exit(Some(Heard::Failed(Box::new(fault))), moves)
            }
        };
        self.report.ended(&entry.spec.policy.id, &cause);
        self.tell(Told::Exited { child, exit, cause });
    }

    fn order(&mut self, child: Child, order: Order) {
        let Some(entry) = self.children.get_mut(&child.key).filter(|entry| entry.child == Some(child)) else { return };
        self.report.stop(&entry.spec.policy.id);
        entry.order = Some(order);
        match &entry.starting {
            Some(give_up) => drop(give_up.send_replace(order.urgency())),
            None => self.obey(child, order),
        }
    }

    fn obey(&mut self, child: Child, order: Order) {
        let Some(entry) = self.children.get_mut(&child.key) else { return };
        let Some(here) = &entry.here else { return };
        match (&here.what, order) {
            // The incarnation ends; whether the proxy does is for a `Retire` to say.
            (What::Gpu { home, flush }, order) => {
                if order != Order::Kill && entry.resting {
                    return;
                }
                entry.resting = true;
                let flush = (order == Order::Stop { drain: true }).then(|| flush.clone());
                let (home, events) = (home.clone(), self.events.clone());
                tokio::spawn(async move {
                    if let Some(flush) = flush {
                        flush().await;
                    }
                    if home.rest(order == Order::Kill) {
                        let life = home.life().clone();
                        life.gone().await;
                        let end = home.rested().await;
                        let _ = events.send(Event::Rested { child, end });
                    }
                });
            }
            (_, Order::Stop { drain: true }) => here.shell.drain(),
            (_, Order::Stop { drain: false }) => here.shell.stop(Some(SHUTDOWN.into())),
            (_, Order::Kill) => here.shell.kill(),
        }
    }

    fn retire(&mut self, key: ChildKey, forget: bool) {
        let Some(entry) = self.children.get_mut(&key) else { return };
        entry.left = None;
        if let Some(here) = entry.here.take_if(|here| matches!(here.what, What::Gpu { .. })) {
            self.actors.remove(&here.shell.who().key);
            entry.resting = false;
            if let What::Gpu { home, .. } = &here.what {
                home.retire();
            }
            self.leaving.retain(|leaving| !leaving.is_gone());
            self.leaving.push(here.gone.clone());
            entry.leaving = Some(here.gone);
        }
        if forget {
            self.children.remove(&key);
        }
    }

    /// Ends when every proxy that was retired has; a device that says nothing does not hold it up for ever.
    fn all_left(&self) -> impl Future<Output = ()> + Send + 'static {
        let all = join_all(self.leaving.iter().cloned().map(Gone::wait));
        let bound = self.kill_bound;
        async move { drop(timeout(bound, all).await) }
    }

    fn request(&mut self, request: Request, spec: Option<ChildSpec>, reply: oneshot::Sender<Asked>) {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.requests.insert(id, reply);
        if let Some(spec) = spec {
            self.offered.insert(id, spec);
        }
        self.tell(Told::Request { id, request });
    }

    fn reply(&mut self, request: RequestId, reply: Asked) {
        self.offered.remove(&request);
        let Some(asker) = self.requests.remove(&request) else { return };
        self.leaving.retain(|leaving| !leaving.is_gone());
        if self.leaving.is_empty() {
            // Whoever asked may have gone.
            let _ = asker.send(reply);
        } else {
            let left = self.all_left();
            tokio::spawn(async move {
                left.await;
                asker.send(reply)
            });
        }
    }

    fn find(&self, target: Target) -> Option<Found> {
        let key = match target {
            Target::Id(id) => self.machine.find(&id)?,
            Target::Key(key) => key,
        };
        let here = self.children.get(&key)?.here.as_ref()?;
        let mut found = Found { shell: here.shell.clone(), gpu: None, supervisor: None, device: None };
        match &here.what {
            What::Actor => {}
            What::Gpu { home, .. } => found.gpu = Some(home.clone()),
            What::Supervisor(supervisor) => found.supervisor = Some(supervisor.clone()),
            What::Device(system) => found.device = Some(system.clone()),
        }
        Some(found)
    }

    /// The place of a child whose device another supervisor starts.
    fn foreign_slot(&self, spec: &ChildSpec) -> Option<super::DeviceSlot> {
        spec.slot.clone().filter(|slot| spec.policy.kind != Kind::Device && self.machine.find(slot.name()).is_none())
    }

    /// Tells the policy whenever the device of `slot` is there again.
    fn attend(&self, slot: super::DeviceSlot) {
        let events = self.events.clone();
        let mut systems = slot.subscribe();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    changed = systems.changed() => if changed.is_err() { return },
                    () = events.closed() => return,
                }
                if systems.borrow_and_update().is_some() && events.send(Event::Available { device: slot.name().clone() }).is_err() {
                    return;
                }
            }
        });
    }
}

impl Entry {
    /// Where a resident actor lives.
    fn home(&self) -> Option<&Arc<Home>> {
        match &self.here.as_ref()?.what {
            What::Gpu { home, .. } => Some(home),
            What::Actor | What::Supervisor(_) | What::Device(_) => None,
        }
    }
}
