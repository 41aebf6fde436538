//! What the senders and the faults see of a child: a hand to it, whatever its kind.

use std::sync::Arc;
use std::time::Duration;

use chaos_actors::*;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use ractor::rpc::CallResult;
use ractor::{ActorErr, ActorProcessingErr, ActorRef, MessagingErr, RpcReplyPort};
use resident::guardian::SupervisorRef;
use resident::resident_kernels::actor::Handles;
use resident::resident_kernels::host::{Cross, Resident};
use resident::{AskError, CallError, CastError, GpuRef, Pipeline, System};

use crate::board::Board;

/// How long a call may take: far longer than a takeover, also than the rare one whose killed worker takes most of a minute to be gone
/// (docs/faults.md).
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Why an entry was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// No room, or the child is being restarted: later.
    Full,
    /// The actor has ended for good: there may be another.
    Gone,
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Receipt(Receipt),
    Failed,
    Refused,
    Late,
    Unsent(Unsent),
}

/// A hand to a child. What it holds may have ended; then it has to look again.
pub trait Hand: Send + Sync {
    /// Takes the child's present actor; false if there is none.
    fn look<'a>(&'a self, team: &'a SupervisorRef, id: &'a str) -> BoxFuture<'a, bool>;
    /// Lets go of it.
    fn let_go(&self);
    fn cast(&self, entry: Entry) -> Result<(), Unsent>;
    fn cast_many(&self, entries: &[Entry]) -> Result<usize, Unsent>;
    fn ask(&self, query: Query) -> Answer;
    /// As many as the ring takes, in their order.
    fn pipeline(&self, system: &System, queries: &[Query]) -> Vec<Answer>;
    fn send(&self, entry: Entry) -> BoxFuture<'static, Result<(), Unsent>>;
    fn call(&self, query: Query) -> BoxFuture<'static, Answer>;
    /// Through the mailbox.
    fn post(&self, entry: Entry) -> Result<(), Unsent>;
    fn post_call(&self, query: Query) -> BoxFuture<'static, Answer>;
    fn break_now(&self, how: u32) -> Result<(), Unsent>;
    /// Whether the call ended with a fault.
    fn break_in_call(&self, how: u32) -> BoxFuture<'static, Answer>;
    /// Kills the actor; for a resident one, its proxy.
    fn kill(&self);
    fn sheet(&self) -> BoxFuture<'static, Option<Sheet>>;
}

/// A kind of resident clerk.
pub trait Clerk:
    Resident<Msg: Cross> + Handles<Entry> + Handles<Query> + Handles<Break> + Handles<BreakInCall> + Handles<Balance> + Clone
{
    fn new(life: u64) -> Self;
    fn sheet(&self) -> &Sheet;
    /// What else is to be true of its state: `None` if it is.
    fn amiss(&self) -> Option<String>;
    fn entry(entry: Entry) -> Self::Msg;
    fn query(query: Query, reply: RpcReplyPort<Receipt>) -> Self::Msg;
    fn break_now(how: Break) -> Self::Msg;
    fn break_in_call(how: BreakInCall, reply: RpcReplyPort<u64>) -> Self::Msg;
    fn balance(reply: RpcReplyPort<Sheet>) -> Self::Msg;
}

macro_rules! clerks {
    ($($kind:ident, $msg:ident, |$life:ident| $new:expr, |$clerk:ident| $amiss:expr;)*) => { $(
        impl Clerk for $kind {
            fn new($life: u64) -> Self {
                $new
            }
            fn sheet(&self) -> &Sheet {
                &self.sheet
            }
            fn amiss(&self) -> Option<String> {
                let $clerk = self;
                $amiss
            }
            fn entry(entry: Entry) -> $msg {
                $msg::Entry(entry)
            }
            fn query(query: Query, reply: RpcReplyPort<Receipt>) -> $msg {
                $msg::Query(query, reply)
            }
            fn break_now(how: Break) -> $msg {
                $msg::Break(how)
            }
            fn break_in_call(how: BreakInCall, reply: RpcReplyPort<u64>) -> $msg {
                $msg::BreakInCall(how, reply)
            }
            fn balance(reply: RpcReplyPort<Sheet>) -> $msg {
                $msg::Balance(reply)
            }
        }
    )* };
}

clerks! {
    Till, TillMsg, |life| Till { sheet: Sheet::new(life) }, |_clerk| None;
    Courier, CourierMsg, |life| Courier { sheet: Sheet::new(life), slips: 0 }, |_clerk| None;
    Vault, VaultMsg, |life| Vault { sheet: Sheet::new(life), shelf: [0; SHELF] }, |clerk| {
        let shelf = clerk.shelf.iter().sum::<u64>();
        (shelf != clerk.sheet.handled).then(|| format!("its shelf has {shelf} entries, its sheet {}", clerk.sheet.handled))
    };
}

/// A hand to a resident clerk.
pub struct Resides<A: Resident>(Mutex<Option<GpuRef<A>>>);

impl<A: Resident> Default for Resides<A> {
    fn default() -> Self {
        Resides(Mutex::new(None))
    }
}

impl<A: Clerk> Resides<A> {
    fn actor(&self) -> Result<GpuRef<A>, Unsent> {
        self.0.lock().clone().ok_or(Unsent::Gone)
    }
}

fn unsent<M>(error: &CastError<M>) -> Unsent {
    if error.is_full() { Unsent::Full } else { Unsent::Gone }
}

fn answer(result: Result<Receipt, AskError>) -> Answer {
    match result {
        Ok(receipt) => Answer::Receipt(receipt),
        Err(AskError::Failed(_)) => Answer::Failed,
        Err(AskError::Timeout(_)) => Answer::Late,
        Err(AskError::Full | AskError::NoReplyLine | AskError::Window(_)) => Answer::Unsent(Unsent::Full),
        Err(AskError::OtherSystem | AskError::Idle) => Answer::Unsent(Unsent::Gone),
        // Sent or not: an actor that has stopped handles nothing that comes behind.
        Err(_) => Answer::Refused,
    }
}

impl<A: Clerk> Hand for Resides<A> {
    fn look<'a>(&'a self, team: &'a SupervisorRef, id: &'a str) -> BoxFuture<'a, bool> {
        async move {
            let actor = team.child::<A>(id).await;
            let found = actor.is_some();
            *self.0.lock() = actor;
            found
        }
        .boxed()
    }

    fn let_go(&self) {
        *self.0.lock() = None;
    }

    fn cast(&self, entry: Entry) -> Result<(), Unsent> {
        self.actor()?.try_cast(A::entry(entry)).map_err(|error| unsent(&error))
    }

    fn cast_many(&self, entries: &[Entry]) -> Result<usize, Unsent> {
        self.actor()?.cast_many(entries).map_err(|error| unsent(&error))
    }

    fn ask(&self, query: Query) -> Answer {
        match self.actor() {
            Ok(actor) => answer(actor.ask(&query, PATIENCE)),
            Err(unsent) => Answer::Unsent(unsent),
        }
    }

    fn pipeline(&self, system: &System, queries: &[Query]) -> Vec<Answer> {
        let Ok(actor) = self.actor() else { return vec![Answer::Unsent(Unsent::Gone)] };
        let mut pipeline = match Pipeline::<A, Query>::new(system, queries.len()) {
            Ok(pipeline) => pipeline,
            Err(error) => return vec![answer(Err(error))],
        };
        pipeline.set_timeout(PATIENCE);
        match pipeline.submit_many(&actor, queries) {
            Ok(sent) => (0..sent).map(|_| answer(pipeline.next())).collect(),
            // It has ended: nothing was sent.
            Err(AskError::Stopped | AskError::Failed(_) | AskError::Lost(_)) => vec![Answer::Unsent(Unsent::Gone)],
            Err(error) => vec![answer(Err(error))],
        }
    }

    fn send(&self, entry: Entry) -> BoxFuture<'static, Result<(), Unsent>> {
        let actor = self.actor();
        async move { actor?.send(A::entry(entry)).await.map_err(|error| unsent(&error)) }.boxed()
    }

    fn call(&self, query: Query) -> BoxFuture<'static, Answer> {
        let actor = self.actor();
        async move {
            match actor {
                Ok(actor) => called(actor.call(|reply| A::query(query, reply), Some(PATIENCE)).await, Answer::Receipt),
                Err(unsent) => Answer::Unsent(unsent),
            }
        }
        .boxed()
    }

    fn post(&self, entry: Entry) -> Result<(), Unsent> {
        let actor: ActorRef<A::Msg> = self.actor()?.into();
        actor.cast(A::entry(entry)).map_err(|_| Unsent::Gone)
    }

    fn post_call(&self, query: Query) -> BoxFuture<'static, Answer> {
        let actor = self.actor().map(ActorRef::<A::Msg>::from);
        async move {
            match actor {
                Ok(actor) => posted(actor.call(|reply| A::query(query, reply), Some(PATIENCE)).await),
                Err(unsent) => Answer::Unsent(unsent),
            }
        }
        .boxed()
    }

    fn break_now(&self, how: u32) -> Result<(), Unsent> {
        self.actor()?.try_cast(A::break_now(Break { how })).map_err(|error| unsent(&error))
    }

    fn break_in_call(&self, how: u32) -> BoxFuture<'static, Answer> {
        let actor = self.actor();
        async move {
            match actor {
                Ok(actor) => {
                    called(actor.call(|reply| A::break_in_call(BreakInCall { how }, reply), Some(PATIENCE)).await, |_| Answer::Refused)
                }
                Err(unsent) => Answer::Unsent(unsent),
            }
        }
        .boxed()
    }

    fn kill(&self) {
        if let Ok(actor) = self.actor() {
            actor.kill();
        }
    }

    fn sheet(&self) -> BoxFuture<'static, Option<Sheet>> {
        let actor = self.actor();
        async move {
            match actor.ok()?.call(A::balance, Some(PATIENCE)).await {
                Ok(CallResult::Success(sheet)) => Some(sheet),
                _ => None,
            }
        }
        .boxed()
    }
}

/// How a call by `GpuRef` ended.
fn called<M, R>(result: Result<CallResult<R>, CallError<M>>, replied: impl FnOnce(R) -> Answer) -> Answer {
    match result {
        Ok(CallResult::Success(reply)) => replied(reply),
        Ok(CallResult::Timeout) => Answer::Late,
        Ok(CallResult::SenderError) => Answer::Refused,
        Err(CallError::Unsent(error)) => Answer::Unsent(unsent(&error)),
        Err(_) => Answer::Failed,
    }
}

/// How a call by `ActorRef` ended.
fn posted<M>(result: Result<CallResult<Receipt>, MessagingErr<M>>) -> Answer {
    match result {
        Ok(CallResult::Success(receipt)) => Answer::Receipt(receipt),
        Ok(CallResult::Timeout) => Answer::Late,
        Ok(CallResult::SenderError) => Answer::Refused,
        Err(_) => Answer::Unsent(Unsent::Gone),
    }
}

/// A clerk on the CPU, an actor of ractor's. Its sheet is on the board after every entry, so nothing of it is lost with it.
pub struct Teller {
    pub board: Arc<Board>,
    /// Which child it is.
    pub index: usize,
}

/// What a [`Teller`] takes.
pub enum TellerMsg {
    Entry(Entry),
    Query(Query, RpcReplyPort<Receipt>),
    Break(Break),
}

#[ractor::actor(message = TellerMsg, state = Sheet, arguments = u64)]
impl Teller {
    async fn pre_start(&self, _: ActorRef<TellerMsg>, life: u64) -> Result<Sheet, ActorProcessingErr> {
        self.board.wrote(self.index, &Sheet::new(life));
        Ok(Sheet::new(life))
    }

    async fn handle(&self, _: ActorRef<TellerMsg>, message: TellerMsg, sheet: &mut Sheet) -> Result<(), ActorProcessingErr> {
        match message {
            TellerMsg::Entry(Entry { lane, number }) => sheet.enter(lane, number),
            TellerMsg::Query(Query { lane, number }, reply) => {
                sheet.enter(lane, number);
                self.board.wrote(self.index, sheet);
                // Who asked may have gone.
                let _ = reply.send(sheet.receipt(lane, number));
            }
            TellerMsg::Break(Break { how: PANIC }) => panic!("asked to panic"),
            TellerMsg::Break(_) => return Err(Box::new(ActorErr::Cancelled)),
        }
        self.board.wrote(self.index, sheet);
        Ok(())
    }
}

/// A hand to a [`Teller`].
#[derive(Default)]
pub struct Tells(Mutex<Option<ActorRef<TellerMsg>>>);

impl Tells {
    fn actor(&self) -> Result<ActorRef<TellerMsg>, Unsent> {
        self.0.lock().clone().ok_or(Unsent::Gone)
    }
}

impl Hand for Tells {
    fn look<'a>(&'a self, team: &'a SupervisorRef, id: &'a str) -> BoxFuture<'a, bool> {
        async move {
            let actor = team.actor::<TellerMsg>(id).await;
            let found = actor.is_some();
            *self.0.lock() = actor;
            found
        }
        .boxed()
    }

    fn let_go(&self) {
        *self.0.lock() = None;
    }

    fn cast(&self, entry: Entry) -> Result<(), Unsent> {
        self.post(entry)
    }

    fn cast_many(&self, entries: &[Entry]) -> Result<usize, Unsent> {
        let sent = entries.iter().take_while(|entry| self.post(**entry).is_ok()).count();
        if sent == 0 { Err(Unsent::Gone) } else { Ok(sent) }
    }

    fn ask(&self, _: Query) -> Answer {
        Answer::Unsent(Unsent::Full)
    }

    fn pipeline(&self, _: &System, _: &[Query]) -> Vec<Answer> {
        vec![Answer::Unsent(Unsent::Full)]
    }

    fn send(&self, entry: Entry) -> BoxFuture<'static, Result<(), Unsent>> {
        let sent = self.post(entry);
        async move { sent }.boxed()
    }

    fn call(&self, query: Query) -> BoxFuture<'static, Answer> {
        self.post_call(query)
    }

    fn post(&self, entry: Entry) -> Result<(), Unsent> {
        self.actor()?.cast(TellerMsg::Entry(entry)).map_err(|_| Unsent::Gone)
    }

    fn post_call(&self, query: Query) -> BoxFuture<'static, Answer> {
        let actor = self.actor();
        async move {
            match actor {
                Ok(actor) => posted(actor.call(|reply| TellerMsg::Query(query, reply), Some(PATIENCE)).await),
                Err(unsent) => Answer::Unsent(unsent),
            }
        }
        .boxed()
    }

    fn break_now(&self, how: u32) -> Result<(), Unsent> {
        self.actor()?.cast(TellerMsg::Break(Break { how })).map_err(|_| Unsent::Gone)
    }

    fn break_in_call(&self, how: u32) -> BoxFuture<'static, Answer> {
        let sent = self.break_now(how);
        async move { sent.map_or_else(Answer::Unsent, |()| Answer::Failed) }.boxed()
    }

    fn kill(&self) {
        if let Ok(actor) = self.actor() {
            actor.kill();
        }
    }

    fn sheet(&self) -> BoxFuture<'static, Option<Sheet>> {
        // It is on the board.
        async { Some(Sheet::default()) }.boxed()
    }
}
