//! The spans of a system, as a subscriber sees them. Alone in its process, which has one subscriber; systems are told apart by their names.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Mutex;
use std::time::Duration;

use ractor::call;
use ractor::concurrency::oneshot;
use resident::Isolation;
use resident::checkpoint::Scope;
use resident::guardian::Strategy;
use resident::prelude::*;
use resident_test_actors::*;
use resident_tests::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// A span, as it was told.
#[derive(Clone, Debug, Default)]
struct Seen {
    name: &'static str,
    /// Its place among all, and that of the span around it.
    at: u64,
    within: Option<u64>,
    fields: BTreeMap<&'static str, String>,
    references: usize,
}

static SEEN: Mutex<Vec<Seen>> = Mutex::new(Vec::new());

thread_local!(static ENTERED: std::cell::RefCell<Vec<u64>> = const { std::cell::RefCell::new(Vec::new()) });

/// Keeps every span.
struct Keeper;

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl Keeper {
    fn with<T>(id: &Id, with: impl FnOnce(&mut Seen) -> T) -> T {
        with(&mut SEEN.lock().unwrap()[id.into_u64() as usize - 1])
    }
}

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("resident") || metadata.target() == "traces"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let within = ENTERED.with_borrow(|entered| entered.last().copied());
        let mut seen = Seen { name: span.metadata().name(), within, references: 1, ..Seen::default() };
        span.record(&mut seen);
        let mut all = SEEN.lock().unwrap();
        seen.at = all.len() as u64 + 1;
        all.push(seen);
        Id::from_u64(all.len() as u64)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        Self::with(id, |seen| values.record(seen));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, id: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(id.into_u64()));
    }

    fn exit(&self, id: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.retain(|entered| *entered != id.into_u64()));
    }

    fn clone_span(&self, id: &Id) -> Id {
        Self::with(id, |seen| seen.references += 1);
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        Self::with(&id, |seen| {
            seen.references -= 1;
            seen.references == 0
        })
    }
}

async fn named(name: &str, trace: u32) -> System {
    // Another test of this program may have done so.
    let _ = tracing::subscriber::set_global_default(Keeper);
    System::start(Config { name: Some(name.into()), shards: Some(1), capacity: 64, trace, isolation: Isolation::Process, ..Config::cpu() })
        .await
        .unwrap()
}

/// Spans of this name that have ended and have all these fields.
fn ended(name: &str, fields: &[(&'static str, &str)]) -> Vec<Seen> {
    let has = |seen: &Seen| fields.iter().all(|(field, value)| seen.fields.get(field).is_some_and(|is| is == value));
    SEEN.lock().unwrap().iter().filter(|seen| seen.references == 0 && seen.name == name && has(seen)).cloned().collect()
}

/// TC-2, TR-1, TR-2: each message has a span that ends, within its sender's, with the stamp of its frame.
#[tokio::test(flavor = "multi_thread")]
async fn messages_have_spans() {
    let system = named("all", 1).await;
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    let sender = tracing::info_span!(target: "traces", "sender");
    sender.in_scope(|| {
        for _ in 0..3 {
            counter.try_cast(CounterMsg::Tick).unwrap();
        }
        counter.cast_many(&[Tick, Tick]).unwrap();
    });
    assert_eq!(soon("a total", async { call!(counter, CounterMsg::Get).unwrap() }).await.added, 5);
    counter.ask(&Get, Duration::from_secs(60)).unwrap();
    let of = |message: &'static str, end: &'static str, path: &'static str| {
        ended("message", &[("system", "all"), ("kind", "Counter"), ("message", message), ("end", end), ("path", path)])
    };
    until("casts end", || of("Tick", "handled", "ring").len() == 5).await;
    let casts = of("Tick", "handled", "ring");
    let sender = casts[0].within.expect("it is within its sender's");
    assert!(casts.iter().all(|cast| cast.within == Some(sender)), "{casts:?}");
    let stamps: Vec<u64> = casts.iter().map(|cast| cast.fields["stamp"].parse().unwrap()).collect();
    assert!(stamps.is_sorted_by(|before, after| before < after), "{stamps:?}");
    until("a call ends", || of("Get", "replied", "ring").len() == 1).await;
    let call = &of("Get", "replied", "ring")[0];
    assert!(call.fields.contains_key("device_us") && call.fields.contains_key("reply_us"), "{call:?}");
    assert!(call.fields["stamp"].parse::<u64>().unwrap() > stamps[4]);
    assert_eq!(of("Get", "replied", "direct").len(), 1);

    // A message for later goes out by the pump.
    let (player, _) = Player::spawn(None, Player::default(), &system).await.unwrap();
    player.try_cast(PlayerMsg::Throw(Throw { millis: 1, hops: 0 })).unwrap();
    until("it is handed on", || ended("outward", &[("system", "all"), ("what", "emit")]).len() == 1).await;

    // What finds no room says that it was not sent.
    player.try_cast(PlayerMsg::Juggle(Juggle { first: 0, rounds: 100_000_000 })).unwrap();
    while counter.try_cast(CounterMsg::Tick).is_ok() {}
    let (reply, _answer) = oneshot();
    assert!(matches!(counter.try_cast(CounterMsg::Get(reply.into())), Err(CastError::Full(_))));
    assert_eq!((of("Tick", "unsent", "ring").len(), of("Get", "unsent", "ring").len()), (1, 1));

    system.stop().await;
    assert!(SEEN.lock().unwrap().iter().all(|seen| seen.name != "message" || seen.fields["system"] != "all" || seen.references == 0));
}

/// TC-2, TR-1: with 0 no message has a span.
#[tokio::test(flavor = "multi_thread")]
async fn no_message_has_a_span_unless_it_is_asked_for() {
    let system = named("none", 0).await;
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    counter.try_cast(CounterMsg::Tick).unwrap();
    counter.ask(&Get, Duration::from_secs(60)).unwrap();
    system.stop().await;
    assert!(SEEN.lock().unwrap().iter().all(|seen| seen.name != "message" || seen.fields["system"] != "none"));
}

/// TC-1: start, takeover, checkpoint, restart and stop have spans that end.
#[tokio::test(flavor = "multi_thread")]
async fn a_systems_life_has_spans() {
    let system = named("life", 0).await;
    let of = |name: &'static str| ended(name, &[("system", "life")]);
    let (start, open) = (of("start"), of("open"));
    assert_eq!((start.len(), open.len()), (1, 1));
    assert_eq!((open[0].within, open[0].fields["device"].as_str()), (Some(start[0].at), "cpu:0"));

    let supervisor = Supervisor::builder("family").strategy(Strategy::OneForOne);
    let child = ChildSpec::gpu("child", Panicker::default).on(&system);
    let supervisor = supervisor.child(child).start().await.unwrap();
    let child = supervisor.child::<Panicker>("child").await.unwrap();
    system.checkpoint(Scope::Device).await.unwrap();
    assert_eq!(of("checkpoint")[0].fields["actors"], "1");
    kill(system.worker().expect("a process"));
    until("the takeover's span ends", || of("takeover").len() == 1).await;
    assert!(of("takeover")[0].fields["took_us"].parse::<u64>().is_ok());
    child.kill();
    let restarts = || ended("restart", &[("supervisor", "family"), ("child", "child")]);
    until("a restart", || restarts().len() == 1).await;
    assert_eq!((restarts()[0].fields["reason"].as_str(), restarts()[0].fields["incarnation"].as_str()), ("killed", "2"));
    supervisor.stop().await.unwrap();
    system.stop().await;
    assert_eq!(of("stop")[0].fields["killed"], "0");
}
