//! Checkpoints: what is in them while everything goes on, deltas, and actors that come back from them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ractor::{ActorRef, call, cast};
use resident::checkpoint::{
    Actor as Saved, Archive, Checkpoint, CheckpointError, Directory, Key, Kind, ObjectStore, Options, Parts, RestoreError, Scope,
    StateError, Status, StoreError, every, object_store,
};
use resident::prelude::*;
use resident::resident_kernels::plain::Plain;
use resident::{ArenaError, SpawnError};
use resident_test_actors::*;
use resident_tests::*;
use tokio::sync::mpsc;

async fn ledger(system: &System, name: &str) -> GpuRef<Ledger> {
    Ledger::spawn(Some(name.into()), Ledger::default(), system).await.unwrap().0
}

fn append(n: u64) -> LedgerMsg {
    LedgerMsg::Append(Append { n })
}

async fn look(ledger: &GpuRef<Ledger>) -> Ledger {
    let Page { entries, digest, balance } = soon("an answer", async { call!(ledger, LedgerMsg::Look) }).await.unwrap();
    Ledger { entries, digest, balance }
}

async fn taken(system: &System, scope: Scope) -> Checkpoint {
    soon("a checkpoint", system.checkpoint(scope).into_future()).await.unwrap()
}

/// What of a checkpoint a restore depends on, by name.
fn contents(checkpoint: &Checkpoint) -> BTreeMap<Option<String>, (Status, u64, Vec<u8>)> {
    let of = |actor: &Saved| (actor.name.clone(), (actor.status, actor.handled, checkpoint.state(actor).into_owned()));
    checkpoint.actors().iter().map(of).collect()
}

/// C-20: what was sent before is in the states, spawns included.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_before_is_in_it() {
    let system = system().await;
    for round in 0..20 {
        let (name, other) = (unique("before"), unique("before"));
        let first = ledger(&system, &name).await;
        for n in 0..100 {
            first.send(append(n)).await.unwrap();
        }
        let second = ledger(&system, &other).await;
        second.send(append(7)).await.unwrap();
        let checkpoint = taken(&system, Scope::Device).await;
        assert_eq!(checkpoint.state_of::<Ledger>(&name).unwrap(), Ledger::of(0..100), "round {round}");
        assert_eq!(checkpoint.state_of::<Ledger>(&other).unwrap(), Ledger::of([7]));
        assert_eq!(checkpoint.named(&name).unwrap().handled, 100);
        assert!(checkpoint.pending().is_empty());
        let wrong = checkpoint.state_of::<Counter>(&name).unwrap_err();
        assert!(matches!(wrong, StateError::Kind { ref saved, .. } if saved == "Ledger"), "{wrong}");
        assert!(matches!(checkpoint.state_of::<Ledger>("nobody"), Err(StateError::Name(_))));
    }
    system.stop().await;
}

/// C-21: of two messages of one sender, the second is in it only with the first; the actors go on meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_of_one_moment_while_everything_goes_on() {
    // From which shard to which each sender moves money, so that whichever is looked at first, some sender would show it.
    const WAYS: [(usize, usize); 4] = [(0, 3), (1, 2), (3, 0), (2, 1)];
    let system = start(Config { shards: Some(4), capacity: 2048, ..Config::default() }).await;
    let mut pairs = Vec::new();
    for (from, to) in WAYS {
        let accounts = on_every_shard(&system, Ledger::default).await;
        pairs.push((accounts[from].clone(), accounts[to].clone()));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = pairs
        .iter()
        .cloned()
        .map(|(from, to)| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                let patiently = |to: &GpuRef<Ledger>, cents: i64| {
                    let mut message = LedgerMsg::Move(Move { cents });
                    while let Err(unsent) = to.try_cast(message) {
                        assert!(unsent.is_full());
                        message = unsent.into_message();
                        std::thread::yield_now();
                    }
                };
                let mut transfers = 0u64;
                while !stop.load(Ordering::Relaxed) {
                    patiently(&from, -1);
                    patiently(&to, 1);
                    transfers += 1;
                }
                transfers
            })
        })
        .collect();
    // What an account has, and what is on its way there.
    let balance = |checkpoint: &Checkpoint, account: &GpuRef<Ledger>| {
        let at = account.info().address;
        let key = Key { shard: at.shard(), row: at.row(), generation: at.generation() };
        let state: Ledger = checkpoint.state_at(checkpoint.actor(key).unwrap()).unwrap();
        let sent = checkpoint.pending().iter().filter(|pending| pending.key == key).map(|pending| Move::decode(&pending.payload).cents);
        state.balance + sent.sum::<i64>()
    };
    let mut base: Option<Checkpoint> = None;
    let mut last = 0;
    for round in 0..24 {
        let checkpoint = match base.take() {
            Some(base) => soon("a delta", system.checkpoint(Scope::Device).since(&base).into_future()).await.unwrap().0,
            None if round % 3 == 0 => taken(&system, Scope::actors(pairs.iter().flat_map(|(from, to)| [from, to]))).await,
            None => taken(&system, Scope::Device).await,
        };
        for ((from, to), way) in pairs.iter().zip(WAYS) {
            let missing = -(balance(&checkpoint, from) + balance(&checkpoint, to));
            assert!(missing == 0 || missing == 1, "round {round}, {way:?}: {missing} on the way of one that has at most one there");
        }
        let handled: u64 = checkpoint.actors().iter().map(|actor| actor.handled).sum();
        assert!(handled >= last, "they go on");
        last = handled;
        base = (round % 2 == 1).then_some(checkpoint);
    }
    stop.store(true, Ordering::Relaxed);
    let transfers: u64 = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
    let checkpoint = taken(&system, Scope::Device).await;
    let handled: u64 = checkpoint.actors().iter().map(|actor| actor.handled).sum();
    assert_eq!((handled, checkpoint.pending().len()), (2 * transfers, 0));
    system.stop().await;
}

/// C-20: whoever is in it has its name, also who leaves while it is being read.
#[tokio::test(flavor = "multi_thread")]
async fn names_are_kept_of_those_who_leave() {
    let system = one_shard().await;
    let stop = Arc::new(AtomicBool::new(false));
    let comers: Vec<_> = (0..4)
        .map(|_| {
            let (system, stop) = (system.clone(), stop.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let (ledger, join) = Ledger::spawn(Some(unique("guest")), Ledger::default(), &system).await.unwrap();
                    ledger.stop(None);
                    join.await.unwrap();
                }
            })
        })
        .collect();
    let mut seen = 0;
    let mut base = taken(&system, Scope::Device).await;
    // Every guest that a cut happens upon may be the one who leaves while it is read.
    let looking = async {
        while seen < 20 {
            let (checkpoint, _) = soon("a delta", system.checkpoint(Scope::Device).since(&base).into_future()).await.unwrap();
            assert!(checkpoint.actors().iter().all(|actor| actor.name.is_some()), "{:?}", checkpoint.actors());
            seen += checkpoint.actors().len();
            base = checkpoint;
        }
    };
    soon("twenty guests", looking).await;
    stop.store(true, Ordering::Relaxed);
    for comer in comers {
        soon("the last guest", comer).await.unwrap();
    }
    system.stop().await;
}

/// C-22: one actor, some, a kind.
#[tokio::test(flavor = "multi_thread")]
async fn of_some_actors_only() {
    let system = system().await;
    let (one, two) = (ledger(&system, &unique("one")).await, ledger(&system, &unique("two")).await);
    let (counter, _) = Counter::spawn(None, Counter::default(), &system).await.unwrap();
    let (doomed, join) = Ledger::spawn(None, Ledger::default(), &system).await.unwrap();
    let alone = soon("a checkpoint", one.checkpoint().note("why", "test").into_future()).await.unwrap();
    assert_eq!((alone.actors().len(), alone.actors()[0].name.clone()), (1, one.get_name()));
    assert_eq!(alone.note("why"), Some(&b"test"[..]));
    let both = taken(&system, Scope::actors([&one, &two])).await;
    assert_eq!(both.actors().len(), 2);
    assert_eq!(taken(&system, Scope::kind::<Ledger>()).await.actors().len(), 3);
    let counters = taken(&system, Scope::kind::<Counter>()).await;
    assert_eq!((counters.actors().len(), counters.actors()[0].name.clone()), (1, None));
    assert_eq!(taken(&system, Scope::kind::<Big>()).await.actors().len(), 0);
    assert_eq!(taken(&system, Scope::Device).await.actors().len(), 4);
    drop(counter);

    doomed.stop(None);
    soon("its end", join).await.unwrap();
    let gone = soon("an answer", doomed.checkpoint().into_future()).await.unwrap_err();
    assert!(matches!(gone, CheckpointError::NoActor(id) if id == doomed.get_id()), "{gone}");
    system.stop().await;
    let stopped = soon("an answer", system.checkpoint(Scope::Device).into_future()).await.unwrap_err();
    assert!(matches!(stopped, CheckpointError::Stopped), "{stopped}");
}

/// C-23: deltas make what a whole checkpoint is, whatever happened between.
#[tokio::test(flavor = "multi_thread")]
async fn deltas_make_the_whole() {
    let system = one_shard().await;
    let names: Vec<_> = (0..8).map(|_| unique("delta")).collect();
    let mut actors = Vec::new();
    for name in &names {
        actors.push(ledger(&system, name).await);
    }
    let (big, _) = Big::spawn(Some(unique("big")), Big::new(1), &system).await.unwrap();
    let first = taken(&system, Scope::Device).await;
    let mut newest = first.clone();
    let mut deltas = Vec::new();
    let (mut extra, mut joins) = (Vec::new(), Vec::new());
    for round in 0..8u64 {
        // Some handle something, one is spawned, one stops, one fails; the large one changes in one page.
        actors[round as usize].send(append(round)).await.unwrap();
        big.send(BigMsg::Put(Put { at: round * 512 + 3, word: mix(round, 9) })).await.unwrap();
        let (more, join) = Ledger::spawn(Some(unique("more")), Ledger::of([round]), &system).await.unwrap();
        match round % 4 {
            1 => {
                let fault = tokio::spawn({
                    let more = more.clone();
                    async move { more.ended().await }
                });
                more.send(LedgerMsg::Spoil(Spoil { how: SPOIL_BY_WORD })).await.unwrap();
                assert!(soon("its failure", fault).await.unwrap().is_some());
            }
            2 => {
                more.stop(None);
                soon("its end", join).await.unwrap();
                let (old, join): (GpuRef<Ledger>, tokio::task::JoinHandle<()>) = (extra.remove(0), joins.remove(0));
                old.stop(None);
                soon("its end", join).await.unwrap();
                continue;
            }
            _ => {
                extra.push(more);
                joins.push(join);
            }
        }
        let (next, delta) =
            soon("a delta", system.checkpoint(Scope::Device).since(&newest).note("round", round.to_le_bytes()).into_future())
                .await
                .unwrap();
        assert!(delta.page_bytes() < 64 * 1024, "round {round}: {} bytes, which is not what has changed", delta.page_bytes());
        assert_eq!(delta.base(), newest.digest());
        // Nothing has happened since, so the whole is the same but for its time and note.
        let whole = taken(&system, Scope::Device).await;
        assert_eq!(contents(&next), contents(&whole), "round {round}");
        // The device's last is `whole` now: this one it does not know any more.
        let (third, third_delta) = soon("a delta", system.checkpoint(Scope::Device).since(&next).into_future()).await.unwrap();
        assert_eq!(third_delta.page_bytes(), 0);
        assert_eq!(contents(&third), contents(&whole));
        deltas.push(delta);
        deltas.push(third_delta);
        newest = third;
    }
    let mut rebuilt = first;
    for delta in &deltas {
        rebuilt = Checkpoint::apply(&rebuilt, delta).unwrap();
    }
    assert_eq!(rebuilt.digest(), newest.digest());
    let swapped = Checkpoint::apply(&rebuilt, &deltas[0]);
    assert!(swapped.is_err());
    system.stop().await;
}

/// C-24: after a takeover the next is whole again, and nobody is missed; one that is asked for meanwhile comes.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_whole_after_a_takeover() {
    let system = start(Config { shards: Some(2), capacity: 1024, isolation: resident::Isolation::Process, ..Config::default() }).await;
    let name = unique("survivor");
    let actor = ledger(&system, &name).await;
    let mut newest = taken(&system, Scope::Device).await;
    for n in 0..4u64 {
        actor.send(append(n)).await.unwrap();
        kill(system.worker().expect("a process"));
        let (next, delta) = soon("a checkpoint", system.checkpoint(Scope::Device).since(&newest).into_future()).await.unwrap();
        assert_eq!(next.state_of::<Ledger>(&name).unwrap(), Ledger::of(0..=n));
        assert_eq!(Checkpoint::apply(&newest, &delta).unwrap().digest(), next.digest());
        newest = next;
        until("the loss is noticed", || system.losses().0 > n).await;
    }
    assert_eq!(look(&actor).await, Ledger::of(0..4));
    system.stop().await;
}

/// C-25: into another system: names, states, counts; what was pending first, and what was emitted.
#[tokio::test(flavor = "multi_thread")]
async fn actors_come_back_elsewhere() {
    let before = system().await;
    let names: Vec<_> = (0..50).map(|_| unique("returns")).collect();
    for (n, name) in (0u64..).zip(&names) {
        let ledger = ledger(&before, name).await;
        (0..n).for_each(|n| cast!(ledger, append(n)).unwrap());
    }
    let (nameless, _) = Ledger::spawn(None, Ledger::of([1, 2, 3]), &before).await.unwrap();
    let (big, _) = Big::spawn(Some(unique("big")), Big::new(5), &before).await.unwrap();
    let (failed, join) = Ledger::spawn(Some(unique("failed")), Ledger::default(), &before).await.unwrap();
    let checkpoint = taken(&before, Scope::Device).await;
    let big_name = big.get_name().unwrap();
    cast!(failed, LedgerMsg::Spoil(Spoil { how: SPOIL_BY_WORD })).unwrap();
    soon("its end", join).await.unwrap();
    drop((nameless, failed));

    // The names are taken as long as their actors live, and nothing is left of the try.
    let after = start(Config { shards: Some(3), capacity: 64, ..Config::default() }).await;
    let taken_name = soon("an answer", after.restore::<Ledger>(&checkpoint, None)).await.unwrap_err();
    assert!(matches!(taken_name, RestoreError::Spawn(SpawnError::Name(_))), "{taken_name}");
    assert_eq!(after.running(), 0);
    before.stop().await;

    // Nor is anything where no proxy starts.
    let (dead, _) = supervisor().await;
    dead.stop(None);
    soon("its end", resident::watch(dead.clone())).await;
    let refused = soon("an answer", after.restore::<Ledger>(&checkpoint, Some(dead))).await.unwrap_err();
    assert!(matches!(refused, RestoreError::Spawn(SpawnError::Framework(_))), "{refused}");
    assert_eq!((after.running(), taken(&after, Scope::Device).await.actors().len()), (0, 0), "the device has given them up, too");

    let (supervisor, mut heard) = supervisor().await;
    let back = soon("the restore", after.restore::<Ledger>(&checkpoint, Some(supervisor))).await.unwrap();
    assert_eq!((back.actors.len(), back.failed.len(), after.running()), (52, 0, 52));
    for (n, name) in (0u64..).zip(&names) {
        let plain = ActorRef::<LedgerMsg>::where_is(name).unwrap();
        let ledger = GpuRef::<Ledger>::of(plain, &after).unwrap();
        assert_eq!(look(&ledger).await, Ledger::of(0..n));
        cast!(ledger, append(n)).unwrap();
        assert_eq!(look(&ledger).await, Ledger::of(0..=n));
    }
    let again = taken(&after, Scope::Device).await;
    let first = GpuRef::<Ledger>::where_is(&names[7], &after).unwrap();
    assert_eq!(again.named(&names[7]).unwrap().handled, 7 + 1 + 2, "7 before, an entry and two looks");
    cast!(first, LedgerMsg::Spoil(Spoil { how: SPOIL_BY_WORD })).unwrap();
    let (who, fault) = heard.fault().await;
    assert_eq!((who, fault.handled), (first.get_id(), 10), "it is an actor as any other, under its supervisor");

    let back = soon("the restore", after.restore::<Big>(&checkpoint, None)).await.unwrap();
    assert_eq!(call!(back.actors[0].actor, BigMsg::Digest).unwrap(), Big::new(5).digest());
    assert_eq!(back.actors[0].actor.get_name(), Some(big_name));
    after.stop().await;
}

/// With a GPU as the tests' device: from the CPU device to the GPU, and back. One fold of all that was ever sent is what is there.
#[tokio::test(flavor = "multi_thread")]
async fn from_the_cpu_device_and_back() {
    let (name, big) = (unique("travels"), unique("big"));
    let cpu = || async { System::start(Config::cpu()).await.unwrap() };
    let before = cpu().await;
    let first = ledger(&before, &name).await;
    let _ = Big::spawn(Some(big.clone()), Big::new(5), &before).await.unwrap();
    (0..100).for_each(|n| cast!(first, append(n)).unwrap());
    let mut checkpoint = taken(&before, Scope::Device).await;
    before.stop().await;
    for (turn, system) in [(1, system().await), (2, cpu().await)] {
        let ledgers = soon("the restore", system.restore::<Ledger>(&checkpoint, None)).await.unwrap();
        let bigs = soon("the restore", system.restore::<Big>(&checkpoint, None)).await.unwrap();
        assert_eq!((ledgers.actors.len(), bigs.actors.len()), (1, 1));
        let ledger = &ledgers.actors[0].actor;
        (100 * turn..100 * (turn + 1)).for_each(|n| cast!(ledger, append(n)).unwrap());
        assert_eq!(look(ledger).await, Ledger::of(0..100 * (turn + 1)));
        checkpoint = taken(&system, Scope::Device).await;
        assert_eq!(checkpoint.state_of::<Big>(&big).unwrap(), Big::new(5));
        system.stop().await;
    }
}

/// C-25: what was pending is sent first, in its order; what had failed is told; what was emitted is delivered where it is routed now.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_on_its_way_comes_too() {
    let system = one_shard().await;
    let (live, dead) = (Key { shard: 0, row: 3, generation: 9 }, Key { shard: 7, row: 1, generation: 2 });
    let mut states = vec![0; 48];
    Ledger::of([1]).encode(&mut states[..24]);
    let actor = |key, status, offset| Saved { key, name: None, kind: 0, status, handled: 1, offset, bytes: 24 };
    let index = <Ledger as resident::resident_kernels::actor::Handles<Append>>::INDEX;
    let sent = |key, n: u64| resident::checkpoint::Pending { key, message: index, hlc: n, payload: n.to_le_bytes().into() };
    let late = |number: u64| {
        let mut payload = vec![0; size_of::<Late>()];
        Late { number, minutes: 5, row: 0 }.encode(&mut payload);
        resident::checkpoint::Emitted { key: live, ty: <Late as resident::resident_kernels::actor::Emit>::TYPE, hlc: number, payload }
    };
    let parts = || Parts {
        kinds: vec![Kind { name: "Ledger".into(), layout: Ledger::LAYOUT, state_bytes: 24 }],
        actors: vec![actor(live, Status::Live, 0), actor(dead, Status::Failed, 24)],
        pending: (2..600).map(|n| sent(live, n)).chain([sent(dead, 0)]).collect(),
        emitted: (0..3).map(late).collect(),
        states: states.clone().into(),
        ..Parts::default()
    };
    let checkpoint = Checkpoint::new(parts()).unwrap();
    let back = soon("the restore", system.restore::<Ledger>(&checkpoint, None)).await.unwrap();
    assert_eq!((back.actors.len(), back.failed[0].key), (1, dead));
    let actor = &back.actors[0].actor;
    actor.send(append(600)).await.unwrap();
    assert_eq!(look(actor).await, Ledger::of(1..=600), "more than the ring holds, and nobody overtakes");

    assert_eq!((system.redeliver(&checkpoint), system.dead_letters()), (0, 3), "nobody takes them");
    let (said, mut heard) = mpsc::unbounded_channel();
    let listener = unique("listener");
    let (_, listening) = ractor::Actor::spawn(Some(listener.clone()), Listener(said), ()).await.unwrap();
    system.route::<Late, LateMsg>(&listener).unwrap();
    assert_eq!(system.redeliver(&checkpoint), 3);
    for number in 0..3 {
        assert_eq!(soon("a message", heard.recv()).await, Some(number));
    }
    drop(listening);

    let none = Parts { pending: vec![resident::checkpoint::Pending { message: 99, ..sent(live, 1) }], ..parts() };
    let error = soon("an answer", system.restore::<Ledger>(&Checkpoint::new(none).unwrap(), None)).await.unwrap_err();
    assert!(matches!(error, RestoreError::Message { message: 99, .. }), "{error}");
    system.stop().await;
}

struct LateMsg(u64);

impl From<Late> for LateMsg {
    fn from(late: Late) -> LateMsg {
        LateMsg(late.number)
    }
}

resident_kernels::local_message!(LateMsg, LateMsg(u64::MAX));

/// Says which it has got.
struct Listener(mpsc::UnboundedSender<u64>);

#[ractor::actor(message = LateMsg, state = (), arguments = ())]
impl Listener {
    async fn pre_start(&self, _: ActorRef<LateMsg>, _: ()) -> Result<(), ractor::ActorProcessingErr> {
        Ok(())
    }

    async fn handle(&self, _: ActorRef<LateMsg>, late: LateMsg, _: &mut ()) -> Result<(), ractor::ActorProcessingErr> {
        let _ = self.0.send(late.0);
        Ok(())
    }
}

/// C-26: a state of another layout is refused, or goes through `migrate`; a kind that is not there is told.
#[tokio::test(flavor = "multi_thread")]
async fn layouts_are_not_mixed_up() {
    let system = one_shard().await;
    let key = Key { shard: 0, row: 0, generation: 1 };
    let saved = |name: &str, layout: u64, state: &[u8]| {
        let bytes = state.len() as u32;
        Checkpoint::new(Parts {
            kinds: vec![Kind { name: name.into(), layout, state_bytes: bytes }],
            actors: vec![Saved { key, name: Some("old".into()), kind: 0, status: Status::Live, handled: 4, offset: 0, bytes }],
            states: state.to_vec().into(),
            ..Parts::default()
        })
        .unwrap()
    };
    let mut state = [0; 8];
    LedgerOfOld { balance: -5, entries: 4 }.encode(&mut state);
    let old = saved("Ledger", LedgerOfOld::LAYOUT, &state);
    let expected = Ledger { entries: 4, digest: 0, balance: -5 };
    assert_eq!(old.state_of::<Ledger>("old").unwrap(), expected);
    let back = soon("the restore", system.restore::<Ledger>(&old, None)).await.unwrap();
    assert_eq!(look(&back.actors[0].actor).await, expected);
    back.actors[0].actor.stop(None);
    soon("its end", back.actors.into_iter().next().unwrap().join).await.unwrap();

    let older = saved("Ledger", 77, &state);
    let error = soon("an answer", system.restore::<Ledger>(&older, None)).await.unwrap_err();
    assert!(matches!(error, RestoreError::State(StateError::Migrate { saved: 77, .. })), "{error}");
    let counter = saved("Counter", 77, &[0; 16]);
    let error = soon("an answer", system.restore::<Counter>(&counter, None)).await.unwrap_err();
    assert!(matches!(error, RestoreError::State(StateError::Layout { kind: "Counter", saved: 77, .. })), "{error}");
    assert!(error.to_string().contains("#[actor(migrate = ..)]"), "{error}");
    let error = soon("an answer", system.restore::<Ledger>(&counter, None)).await.unwrap_err();
    assert!(matches!(&error, RestoreError::Kind { kind: "Ledger", known } if known == "`Counter`"), "{error}");
    assert_eq!(system.running(), 0);
    system.stop().await;
}

/// C-27: where there is no room for all, none is restored, and nothing is left of the try.
#[tokio::test(flavor = "multi_thread")]
async fn without_room_nothing_is_left_behind() {
    let before = system().await;
    for _ in 0..20 {
        Ledger::spawn(None, Ledger::default(), &before).await.unwrap();
    }
    Big::spawn(None, Big::new(1), &before).await.unwrap();
    Big::spawn(None, Big::new(2), &before).await.unwrap();
    let checkpoint = taken(&before, Scope::Device).await;
    before.stop().await;
    let small = start(Config { shards: Some(1), rows: 10, arena_bytes: 2 * 64 * 1024, ..Config::default() }).await;
    for _ in 0..3 {
        let error = soon("an answer", small.restore::<Ledger>(&checkpoint, None)).await.unwrap_err();
        assert!(matches!(error, RestoreError::Spawn(SpawnError::Rows { rows: 10, .. })), "{error}");
        assert_eq!(small.running(), 0);
    }
    // One slab is the ledger's now.
    let (ledger, join) = Ledger::spawn(None, Ledger::default(), &small).await.unwrap();
    let error = soon("an answer", small.restore::<Big>(&checkpoint, None)).await.unwrap_err();
    assert!(matches!(error, RestoreError::Spawn(SpawnError::State(ArenaError::Exhausted { .. }))), "{error}");
    ledger.stop(None);
    soon("its end", join).await.unwrap();
    assert_eq!(soon("the restore", small.restore::<Big>(&checkpoint, None)).await.unwrap().actors.len(), 2, "all of it is there");
    small.stop().await;
}

/// C-28: in the background: they run, are saved as whole ones and deltas, can be restored, and end with their handle or their system.
#[tokio::test(flavor = "multi_thread")]
async fn every_period() {
    let system = one_shard().await;
    let name = unique("periodic");
    let actor = ledger(&system, &name).await;
    let directory = tempfile::tempdir().unwrap();
    let archive = Archive::open(Directory::writer(directory.path()).unwrap(), Options { keep: 1000, ..Options::default() });
    let period = Duration::from_millis(5);
    let mut periodic = every(period).deltas(3).save_to(archive.clone()).start(&system);
    let mut of_kind = every(period).of::<Counter>().deltas(2).start(&system);
    let mut n = 0;
    while periodic.saved() < 12 || of_kind.taken() < 5 {
        actor.send(append(n)).await.unwrap();
        n += 1;
        let either = async { tokio::select!(news = periodic.changed() => news, news = of_kind.changed() => news) };
        assert!(soon("news", either).await, "neither has ended");
    }
    assert_eq!((periodic.errors(), of_kind.errors()), (0, 0), "{:?}", periodic.last_error());
    assert!(of_kind.latest().unwrap().actors().is_empty(), "there is no counter");
    drop(of_kind);
    let saved = periodic.latest().unwrap();
    soon("the end", periodic.stop()).await;
    let newest = archive.latest().await.unwrap().unwrap();
    let state = newest.state_of::<Ledger>(&name).unwrap();
    assert!(state.entries >= saved.state_of::<Ledger>(&name).unwrap().entries);
    assert_eq!(state, Ledger::of(0..state.entries));
    let points = archive.list().await.unwrap();
    let full = points.iter().filter(|point| point.name.contains("full")).count();
    assert!(full >= points.len() / 4 && full < points.len(), "{full} of {} are whole", points.len());
    assert!(archive.verify().await.unwrap().iter().all(|(_, result)| result.is_ok()));

    let mut memory = every(period).start(&system);
    assert!(soon("one", memory.changed()).await);
    assert_eq!((memory.taken() > 0, memory.saved(), memory.errors()), (true, 0, 0));
    system.stop().await;
    soon("its end", async { while memory.changed().await {} }).await;
    until("its end", || memory.has_ended()).await;
}

/// C-28: an error is counted and told, and the next one is tried; a directory has one writer.
#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_saved_is_told() {
    let system = one_shard().await;
    ledger(&system, &unique("unsaved")).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoints");
    let writer = Directory::writer(&path).unwrap();
    let second = Directory::writer(&path).map(drop).unwrap_err();
    assert!(matches!(second, StoreError::Locked { .. }), "{second}");
    let archive = Archive::open(writer, Options::default());
    let periodic = every(Duration::from_millis(5)).save_to(archive).start(&system);
    until("one is saved", || periodic.saved() > 0).await;
    // Moved, not removed: a directory in which a file is just being written cannot be emptied for sure.
    std::fs::rename(&path, directory.path().join("elsewhere")).unwrap();
    until("errors", || periodic.errors() > 1).await;
    assert!(periodic.last_error().is_some());
    let (taken, saved) = (periodic.taken(), periodic.saved());
    until("it goes on", || periodic.taken() > taken + 1).await;
    assert_eq!(periodic.saved(), saved);
    soon("the end", periodic.stop()).await;
    system.stop().await;
}

/// With `resident`'s own features, and the crate `object_store` as it comes with them.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_may_be_in_an_object_store() {
    let objects = Arc::new(object_store::memory::InMemory::new());
    let archive = || Archive::open(ObjectStore::new(objects.clone(), "fleet/[prod]"), Options::default());
    let name = unique("stored");
    let system = one_shard().await;
    let (counter, join) = Counter::spawn(Some(name.clone()), Counter::default(), &system).await.unwrap();
    counter.send(CounterMsg::Add(Add { amount: 7 })).await.unwrap();
    archive().save_full(&system.checkpoint(Scope::Device).await.unwrap()).await.unwrap();
    counter.kill();
    soon("its end", join).await.unwrap();
    let checkpoint = archive().latest().await.unwrap().expect("one was saved");
    assert_eq!(checkpoint.state_of::<Counter>(&name).unwrap().total, 7);
    assert_eq!(system.restore::<Counter>(&checkpoint, None).await.unwrap().actors.len(), 1);
    system.stop().await;
}
