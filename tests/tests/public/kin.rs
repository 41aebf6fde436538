//! Actors that find each other by their names and live and die together.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use ractor::{ActorRef, call};
use resident::checkpoint::Scope;
use resident::guardian::{ChildSpec, Supervisor};
use resident::prelude::*;
use resident::{Address, AdoptError, Isolation, SpawnError};
use resident_kernels::plain::Plain;
use resident_test_actors::*;
use resident_tests::*;

async fn kin(system: &System, name: Option<&str>) -> GpuRef<Kin> {
    Kin::spawn(name.map(str::to_owned), Kin::default(), system).await.unwrap().0
}

async fn find(kin: &GpuRef<Kin>, find: Find) -> Address {
    soon("an answer", async { call!(kin, KinMsg::Find, find).unwrap() }).await.address
}

/// An address as one of no kind.
fn plain<A: 'static>(address: Address<A>) -> Address {
    let mut bytes = [0; 16];
    address.encode(&mut bytes);
    Address::decode(&bytes)
}

// ---- names -----------------------------------------------------------------------------------------------------------

/// Whoever has a name is found by it on every shard, by its kind alone, from when its address is known until it stops.
#[tokio::test(flavor = "multi_thread")]
async fn names_are_found() {
    let system = start(Config { shards: Some(3), ..Config::default() }).await;
    let askers = on_every_shard(&system, Kin::default).await;
    let names: Vec<String> = (0..100).map(|_| unique("somebody")).collect();
    let mut named = Vec::new();
    for name in &names {
        let (actor, join) = Kin::spawn(Some(name.clone()), Kin::default(), &system).await.unwrap();
        let address = plain(actor.address().await);
        named.push((name, actor, join, address));
    }
    let player = unique("a player");
    let (other, _) = Player::spawn(Some(player.clone()), Player::default(), &system).await.unwrap();
    let other = plain(other.address().await);
    for asker in &askers {
        for (name, _, _, address) in &named {
            assert_eq!(find(asker, Find::kin(name)).await, *address);
            assert!(find(asker, Find::player(name)).await.is_nobody(), "{name} is of another kind");
        }
        assert_eq!(find(asker, Find::player(&player)).await, other);
        for nobody in ["", "nobody", &player] {
            assert!(find(asker, Find::kin(nobody)).await.is_nobody());
        }
    }
    for (name, actor, join, _) in named {
        actor.stop(None);
        soon("its end", join).await.unwrap();
        assert!(find(&askers[1], Find::kin(name)).await.is_nobody());
    }
    assert_eq!(find(&askers[0], Find::player(&player)).await, other);
    system.stop().await;
}

/// After a restart a name leads to the next incarnation, after a failure to nobody; a loss of the worker changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn names_lead_to_whoever_has_them_now() {
    let system = start(Config { shards: Some(2), ..Config::default() }).await;
    let asker = kin(&system, None).await;
    let name = unique("phoenix");
    let child = ChildSpec::gpu(name.clone(), Kin::default).on(&system).name(name.clone());
    let supervisor = Supervisor::builder(unique("nest")).intensity(99, Duration::from_secs(60)).child(child).start().await.unwrap();
    let phoenix = supervisor.child::<Kin>(name.as_str()).await.unwrap();
    let mut before = Address::NOBODY;
    for _ in 0..20 {
        let now = plain(phoenix.address().await);
        assert_ne!(now, before);
        assert_eq!(find(&asker, Find::kin(&name)).await, now);
        before = now;
        phoenix.send(KinMsg::Stumble).await.unwrap();
        until("its next life", || plain(phoenix.info().address) != before).await;
    }
    if let Some(worker) = system.worker() {
        let now = plain(phoenix.address().await);
        kill(worker);
        until("the takeover", || matches!(system.losses(), (1, Some(last)) if last.resumed.is_some())).await;
        assert_eq!(find(&asker, Find::kin(&name)).await, now);
    }
    supervisor.stop().await.unwrap();
    assert!(find(&asker, Find::kin(&name)).await.is_nobody());

    let mortal = unique("mortal");
    let (fails, join) = Kin::spawn(Some(mortal.clone()), Kin::default(), &system).await.unwrap();
    fails.send(KinMsg::Stumble).await.unwrap();
    soon("its end", join).await.unwrap();
    assert!(find(&asker, Find::kin(&mortal)).await.is_nobody());
    let (killed, join) = Kin::spawn(Some(mortal.clone()), Kin::default(), &system).await.unwrap();
    let address = plain(killed.address().await);
    assert_eq!(find(&asker, Find::kin(&mortal)).await, address);
    killed.kill();
    soon("its end", join).await.unwrap();
    until("nobody", || system.running() == 1).await;
    assert!(find(&asker, Find::kin(&mortal)).await.is_nobody());
    system.stop().await;
}

/// Restored actors are found; so is one of a name that another had a moment ago. More than there is room for are told, and not found.
#[tokio::test(flavor = "multi_thread")]
async fn names_come_and_go() {
    let system = start(Config { shards: Some(1), names: 8, ..Config::default() }).await;
    let asker = kin(&system, None).await;
    let names: Vec<String> = (0..12).map(|_| unique("crowd")).collect();
    for _ in 0..3 {
        let mut crowd = Vec::new();
        let mut found = 0;
        for name in &names {
            let (actor, join) = Kin::spawn(Some(name.clone()), Kin::default(), &system).await.unwrap();
            let address = plain(actor.address().await);
            let at = find(&asker, Find::kin(name)).await;
            assert!(at == address || at.is_nobody());
            found += usize::from(!at.is_nobody());
            crowd.push((actor, join));
        }
        assert_eq!(found, 8, "as many as there is room for");
        for (actor, join) in crowd {
            actor.stop(None);
            soon("its end", join).await.unwrap();
        }
    }
    let name = unique("saved");
    let saved = kin(&system, Some(&name)).await;
    let checkpoint = soon("a checkpoint", saved.checkpoint().into_future()).await.unwrap();
    saved.stop_and_wait(None, None).await.unwrap();
    until("its row is free", || system.running() == 1).await;
    let restored = system.restore::<Kin>(&checkpoint, None).await.unwrap();
    let address = plain(restored.actors[0].actor.address().await);
    assert_eq!(find(&asker, Find::kin(&name)).await, address);
    system.stop().await;
}

/// While names change hands a reader has one that was there, or none.
#[tokio::test(flavor = "multi_thread")]
async fn no_entry_is_torn() {
    // Few entries, so that they are written again and again.
    let system = start(Config { shards: Some(2), names: 8, ..Config::default() }).await;
    let name = unique("flicker");
    let (over, found) = (AtomicBool::new(false), AtomicU64::new(0));
    let readers = on_every_shard(&system, Kin::default).await;
    let churn = async {
        for turn in 0..200 {
            let (actor, join) = Kin::spawn(Some(name.clone()), Kin::default(), &system).await.unwrap();
            let other = kin(&system, Some(&unique("neighbour"))).await;
            actor.address().await;
            if turn % 2 == 0 {
                actor.stop(None);
            } else {
                actor.kill();
            }
            other.stop(None);
            soon("its end", join).await.unwrap();
            until("rows are free", || system.running() == 2).await;
        }
        let (actor, _) = Kin::spawn(Some(name.clone()), Kin::default(), &system).await.unwrap();
        until("somebody is seen", || found.load(Relaxed) > 0).await;
        actor.stop(None);
    };
    std::thread::scope(|scope| {
        for reader in &readers {
            let (over, found, name) = (&over, &found, &name);
            scope.spawn(move || {
                let mut most = [0; 3];
                while !over.load(Relaxed) {
                    let scan = Scan { find: Find::kin(name), times: 2000 };
                    let scanned = reader.ask(&scan, PATIENCE).unwrap();
                    found.fetch_add(scanned.found.into(), Relaxed);
                    for (most, word) in most.iter_mut().zip(scanned.most) {
                        *most = word.max(*most);
                    }
                }
                // Two rows of a shard beside its reader's, and at most an actor of each turn in one of them.
                assert!(most[0] <= 4 && most[1] <= 401 && most[2] < 2, "{most:?}");
            });
        }
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(churn));
        over.store(true, Relaxed);
    });
    system.stop().await;
}

// ---- links -----------------------------------------------------------------------------------------------------------

async fn tie(one: &GpuRef<Kin>, other: &GpuRef<Kin>) {
    let to = other.address().await;
    one.send(KinMsg::Tie(Tie { to })).await.unwrap();
    greet(one).await;
}

async fn greet(kin: &GpuRef<Kin>) -> u64 {
    soon("an answer", async { call!(kin, KinMsg::Greet).unwrap() }).await
}

/// The application has heard of all that was said of links before: who asks for it links itself to nobody, and fails by that.
async fn links_are_kept(system: &System) {
    let (last, join) = Kin::spawn(None, Kin::default(), system).await.unwrap();
    last.send(KinMsg::Tie(Tie { to: Address::NOBODY })).await.unwrap();
    soon("its end", join).await.unwrap();
    assert_eq!(last.fault().unwrap().class, FaultClass::Linked);
}

/// Two that are linked fail together, whoever has made the link, and the fault says with whom; who is stopped takes nobody along.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_linked_fails_too() {
    let system = start(Config { shards: Some(2), ..Config::default() }).await;
    for by_linker in [false, true] {
        let (boss, mut heard) = supervisor().await;
        let name = unique("rope");
        let (one, _) = Kin::spawn_linked(None, Kin::default(), &system, boss).await.unwrap();
        let (two, two_ends) = Kin::spawn(Some(name.clone()), Kin::default(), &system).await.unwrap();
        let bystander = kin(&system, None).await;
        if by_linker {
            tie(&two, &one).await;
        } else {
            tie(&one, &two).await;
            tie(&one, &two).await;
        }
        two.send(KinMsg::Stumble).await.unwrap();
        let (who, fault) = heard.fault().await;
        assert_eq!((who, fault.class), (one.get_id(), FaultClass::Linked));
        let text = fault.to_string();
        for part in ["was linked to one that failed", &name, "panicked", "a stone lay there", "row"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        soon("its end", two_ends).await.unwrap();
        assert_eq!(two.fault().unwrap().class, FaultClass::Panic);
        assert_eq!(greet(&bystander).await, 1);
        bystander.stop_and_wait(None, None).await.unwrap();
        until("rows are free", || system.running() == 0).await;
    }
    // The state is what it was: nothing was being handled.
    let (one, two) = (kin(&system, None).await, kin(&system, None).await);
    tie(&one, &two).await;
    links_are_kept(&system).await;
    two.stop_and_wait(None, None).await.unwrap();
    let (one, three) = (one, kin(&system, None).await);
    tie(&three, &one).await;
    links_are_kept(&system).await;
    three.send(KinMsg::Depart).await.unwrap();
    until("they have gone", || system.running() == 1).await;
    links_are_kept(&system).await;
    assert_eq!(greet(&one).await, 3);
    system.stop().await;
}

/// An undone link is none; a link to somebody who is not there fails who has made it; a killed one takes others along.
#[tokio::test(flavor = "multi_thread")]
async fn links_are_undone_and_lead_nowhere() {
    let system = start(Config { shards: Some(2), ..Config::default() }).await;
    let (one, two) = (kin(&system, None).await, kin(&system, None).await);
    tie(&one, &two).await;
    // By the one who has not made it.
    let to = one.address().await;
    two.send(KinMsg::Untie(Untie { to })).await.unwrap();
    greet(&two).await;
    links_are_kept(&system).await;
    let gone = two.address().await;
    two.send(KinMsg::Stumble).await.unwrap();
    until("it is gone", || system.running() == 1).await;
    links_are_kept(&system).await;
    assert!(one.fault().is_none());

    let (boss, mut heard) = supervisor().await;
    let (late, _) = Kin::spawn_linked(None, Kin::default(), &system, boss).await.unwrap();
    late.send(KinMsg::Tie(Tie { to: gone })).await.unwrap();
    let (who, fault) = heard.fault().await;
    assert_eq!((who, fault.class), (late.get_id(), FaultClass::Linked));
    assert!(fault.text.contains("noproc"), "{fault}");

    let (three, three_ends) = Kin::spawn(None, Kin::default(), &system).await.unwrap();
    let four = kin(&system, None).await;
    tie(&one, &three).await;
    tie(&three, &four).await;
    links_are_kept(&system).await;
    four.kill();
    soon("its end", three_ends).await.unwrap();
    soon("its end", one.ended()).await;
    let (three, one) = (three.fault().unwrap(), one.fault().unwrap());
    assert!(three.text.contains("was killed") && !three.text.contains("by way of"), "{three}");
    assert!(one.text.contains("by way of") && one.text.contains("was killed"), "{one}");
    until("rows are free", || system.running() == 0).await;
    system.stop().await;
}

/// Members of groups are linked as actors are, to each other and to actors.
#[tokio::test(flavor = "multi_thread")]
async fn members_are_linked() {
    let system = start(Config { shards: Some(2), ..Config::default() }).await;
    let (family, _) = Kin::spawn_many(Some(unique("family")), (0..5u64).map(|key| (key, Kin::default())), &system).await.unwrap();
    let (boss, mut heard) = supervisor().await;
    let (actor, _) = Kin::spawn_linked(None, Kin::default(), &system, boss).await.unwrap();
    for key in 0..2 {
        let to = family.address(&(key + 1)).await.unwrap();
        family.tell(&key, KinMsg::Tie(Tie { to })).unwrap();
    }
    let to = family.address(&2).await.unwrap();
    actor.send(KinMsg::Tie(Tie { to })).await.unwrap();
    for key in 0..2 {
        soon("an answer", family.call(&key, KinMsg::Greet, None)).await.unwrap();
    }
    greet(&actor).await;
    links_are_kept(&system).await;
    family.tell(&0, KinMsg::Stumble).unwrap();
    let (_, fault) = heard.fault().await;
    assert_eq!(fault.class, FaultClass::Linked);
    assert!(fault.text.contains("by way of a member of") && fault.text.contains("a stone lay there"), "{fault}");
    let classes: Vec<_> = (0..5).map(|key| family.fault(&key).map(|fault| fault.class)).collect();
    assert_eq!(classes, [Some(FaultClass::Panic), Some(FaultClass::Linked), Some(FaultClass::Linked), None, None]);
    // They are members that failed, as any: a restart has no links.
    for key in 0..3 {
        family.restart(&key, Kin::default()).await.unwrap();
    }
    family.tell(&0, KinMsg::Stumble).unwrap();
    until("its fault", || family.fault(&0).is_some()).await;
    links_are_kept(&system).await;
    assert!(family.fault(&1).is_none());
    family.actor().stop(None);
    until("rows are free", || system.running() == 0).await;
    system.stop().await;
}

/// A supervised actor that fails by a link is restarted as by any failure, without the link. What a loss of the worker costs one it costs
/// its links.
#[tokio::test(flavor = "multi_thread")]
async fn links_and_restarts() {
    let config = Config { shards: Some(2), isolation: Isolation::Process, ..Config::default() };
    let system = start(config).await;
    let name = unique("climber");
    let child = ChildSpec::gpu(name.clone(), Kin::default).on(&system).name(name.clone());
    let supervisor = Supervisor::builder(unique("summit")).intensity(99, Duration::from_secs(60)).child(child).start().await.unwrap();
    let climber = supervisor.child::<Kin>(name.as_str()).await.unwrap();
    let stone = kin(&system, None).await;
    tie(&climber, &stone).await;
    links_are_kept(&system).await;
    let before = climber.info().address;
    stone.send(KinMsg::Stumble).await.unwrap();
    until("its next life", || climber.info().address != before).await;
    assert_eq!(greet(&climber).await, 1, "a fresh state");
    let same: ActorRef<KinMsg> = ActorRef::where_is(&name).unwrap();
    assert_eq!(same.get_id(), climber.get_id());

    // The one that is blamed for the loss is linked.
    if system.worker().is_some() {
        let (breaker, _) = Breaker::spawn(None, Breaker::default(), &system).await.unwrap();
        let second = kin(&system, None).await;
        second.send(KinMsg::TieBreaker(TieBreaker { to: breaker.address().await })).await.unwrap();
        greet(&second).await;
        links_are_kept(&system).await;
        let _ = breaker.send(BreakerMsg::Break(Break { how: TRAP })).await;
        let fault = soon("its end", second.ended()).await.unwrap();
        assert_eq!(fault.class, FaultClass::Linked);
        assert!(fault.text.contains("trapped"), "{fault}");
        assert_eq!(greet(&climber).await, 2);
    }
    supervisor.stop().await.unwrap();
    system.stop().await;
}

// ---- spawned by handlers ---------------------------------------------------------------------------------------------

async fn count(kin: &GpuRef<Kin>) -> Kids {
    soon("an answer", async { call!(kin, KinMsg::Family).unwrap() }).await
}

async fn bears(kin: &GpuRef<Kin>, count: u32) {
    kin.send(KinMsg::Bear(Bear { count, tie: 0, end: 0, panic: 0 })).await.unwrap();
}

async fn told(kin: &GpuRef<Kin>, words: u64) -> Kids {
    let told = async {
        loop {
            let kids = count(kin).await;
            if kids.told >= words {
                return kids;
            }
        }
    };
    soon("a word of each", told).await
}

/// Whom a handler spawns is there at once, on its shard, and is sent to before the application knows of it; it can become an actor.
#[tokio::test(flavor = "multi_thread")]
async fn children_are_there_at_once() {
    let system = start(Config { shards: Some(3), ..Config::default() }).await;
    let parents = on_every_shard(&system, Kin::default).await;
    for parent in &parents {
        for _ in 0..3 {
            bears(parent, 10).await;
            told(parent, 10).await;
        }
    }
    until("all are known", || system.running() == 3 + 90).await;
    for (shard, parent) in (0..).zip(&parents) {
        let kids = told(parent, 30).await;
        assert_eq!((kids.born, kids.told, kids.last.shard()), (30, 30, shard));
        let child = system.adopt(kids.last).await.unwrap();
        assert_eq!(child.info().address, plain(kids.last));
        assert_eq!(greet(&child).await, 2, "its word and this");
        let (same, again) = (system.adopt(kids.last).await.unwrap(), system.adopt(kids.last).await.unwrap());
        assert_eq!((same.get_id(), again.get_id()), (child.get_id(), child.get_id()));
        // It spawns as its parent does.
        bears(&child, 5).await;
        told(&child, 5).await;
        child.stop_and_wait(None, None).await.unwrap();
        assert!(matches!(system.adopt(kids.last).await, Err(AdoptError::Nobody)));
    }
    until("those that were stopped are gone", || system.running() == 3 * (1 + 29 + 5)).await;
    assert_eq!(system.dead_letters(), 0);
    system.stop().await;
    assert_eq!(system.running(), 0);
}

/// Row, room and grant come back when a child ends: thousands one after another where there are places for a few.
#[tokio::test(flavor = "multi_thread")]
async fn places_come_back() {
    let config = Config { shards: Some(2), rows: 10, arena_bytes: 1 << 16, nursery: 8, nursery_bytes: 64, ..Config::default() };
    let system = start(config).await;
    let parents = on_every_shard(&system, Kin::default).await;
    const MORE: u64 = 2000;
    for parent in &parents {
        parent.send(KinMsg::Sow(Sow { more: MORE, end: 1 })).await.unwrap();
    }
    for parent in &parents {
        assert_eq!(told(parent, MORE).await.born, MORE);
    }
    until("all are gone", || system.running() == 2).await;
    // The application finds as many places as if there were no nursery.
    let mut others = Vec::new();
    for _ in 0..18 {
        others.push(kin(&system, None).await);
    }
    assert!(matches!(Kin::spawn(None, Kin::default(), &system).await, Err(SpawnError::Rows { shards: 2, rows: 10 })));
    for parent in &parents {
        // One after another, as their places come back.
        parent.send(KinMsg::Sow(Sow { more: 8, end: 0 })).await.unwrap();
        told(parent, MORE + 8).await;
    }
    until("they are known", || system.running() == 20 + 16).await;
    assert_eq!(system.dead_letters(), 0);
    system.stop().await;
}

/// A tree of spawns: everybody spawns two and goes, and the last ones are all heard of.
#[tokio::test(flavor = "multi_thread")]
async fn a_tree_grows() {
    let system = start(Config { shards: Some(1), ..Config::default() }).await;
    let root = kin(&system, None).await;
    let address = root.address().await;
    root.send(KinMsg::Branch(Branch { root: address, depth: 9 })).await.unwrap();
    assert_eq!(told(&root, 512).await.told, 512);
    until("all but the root are gone", || system.running() == 1).await;
    assert_eq!(system.dead_letters(), 0);
    system.stop().await;
}

/// Who spawns more than there are places for, what is too large for one, or of a kind that is not exported, fails with a fault that says
/// so. Nobody was born by it.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_nursery_has_not_is_a_fault() {
    let system = start(Config { shards: Some(1), nursery: 4, nursery_bytes: 64, ..Config::default() }).await;
    let (boss, mut heard) = supervisor().await;
    let spawn = async || Kin::spawn_linked(None, Kin::default(), &system, boss.clone()).await.unwrap().0;
    let bystander = kin(&system, None).await;
    let parent = spawn().await;
    bears(&parent, 1000).await;
    let (who, fault) = heard.fault().await;
    assert_eq!((who, fault.class, fault.message), (parent.get_id(), FaultClass::Nursery, "Bear"));
    assert!(fault.text.contains("no place is left") && fault.text.contains("`Kin`"), "{fault}");
    assert_eq!(fault.state::<Kin>().unwrap().born, 0);
    for (stray, text) in [(0, "larger than a place"), (1, "not exported")] {
        let parent = spawn().await;
        parent.send(KinMsg::Misbear(Misbear { stray })).await.unwrap();
        let (_, fault) = heard.fault().await;
        assert_eq!(fault.class, FaultClass::Nursery);
        assert!(fault.text.contains(text), "{fault}");
        assert_eq!(fault.state::<Kin>().unwrap().born, 0);
    }
    until("those who have failed are gone", || system.running() == 1).await;
    bears(&bystander, 4).await;
    assert_eq!(told(&bystander, 4).await.born, 4);
    system.stop().await;

    let none = start(Config { shards: Some(1), nursery: 0, ..Config::default() }).await;
    let (parent, join) = Kin::spawn(None, Kin::default(), &none).await.unwrap();
    bears(&parent, 1).await;
    soon("its end", join).await.unwrap();
    assert_eq!(parent.fault().unwrap().class, FaultClass::Nursery);
    none.stop().await;
}

/// A child fails alone, and its place comes back; who is linked to it hears of it, as it does of others.
#[tokio::test(flavor = "multi_thread")]
async fn children_fail_alone_unless_linked() {
    let system = start(Config { shards: Some(2), ..Config::default() }).await;
    let parent = kin(&system, None).await;
    bears(&parent, 3).await;
    let last = told(&parent, 3).await.last;
    until("they are known", || system.running() == 4).await;
    parent.send(KinMsg::Strike).await.unwrap();
    until("one is gone", || system.running() == 3).await;
    assert!(matches!(system.adopt(last).await, Err(AdoptError::Nobody)));
    parent.send(KinMsg::Strike).await.unwrap();
    until("a dead letter", || system.dead_letters() == 1).await;

    // Linked: both ways.
    for by_child in [true, false] {
        let (boss, mut heard) = supervisor().await;
        let (parent, _) = Kin::spawn_linked(None, Kin::default(), &system, boss).await.unwrap();
        parent.send(KinMsg::Bear(Bear { count: 5, tie: 1, end: 0, panic: u32::from(!by_child) })).await.unwrap();
        if by_child {
            parent.send(KinMsg::Strike).await.unwrap();
        }
        let (_, fault) = heard.fault().await;
        assert_eq!(fault.class, if by_child { FaultClass::Linked } else { FaultClass::Panic });
        if by_child {
            assert!(fault.text.contains("spawned on the device") && fault.text.contains("a stone lay there"), "{fault}");
        }
        until("all are gone", || system.running() == 3).await;
    }
    // One that ends itself takes nobody along.
    let (calm, _) = Kin::spawn(None, Kin::default(), &system).await.unwrap();
    calm.send(KinMsg::Bear(Bear { count: 5, tie: 1, end: 1, panic: 0 })).await.unwrap();
    told(&calm, 5).await;
    until("its children are gone", || system.running() == 4).await;
    links_are_kept(&system).await;
    assert!(calm.fault().is_none());
    system.stop().await;
}

/// Children are in checkpoints as actors without names, of each moment as many as have been born, and come back as actors.
#[tokio::test(flavor = "multi_thread")]
async fn children_are_in_checkpoints() {
    let system = start(Config { shards: Some(2), ..Config::default() }).await;
    let parent = kin(&system, None).await;
    parent.send(KinMsg::Sow(Sow { more: 600, end: 0 })).await.unwrap();
    let mut base = soon("a checkpoint", system.checkpoint(Scope::Device).into_future()).await.unwrap();
    loop {
        let (checkpoint, _) = soon("a delta", system.checkpoint(Scope::Device).since(&base).into_future()).await.unwrap();
        let states = checkpoint.actors().iter().map(|actor| checkpoint.state_at::<Kin>(actor).unwrap());
        let born: u64 = states.map(|kin| kin.born).sum();
        assert_eq!(checkpoint.actors().len() as u64, 1 + born);
        base = checkpoint;
        if born == 600 {
            break;
        }
    }
    told(&parent, 600).await;
    let of_kind = soon("a checkpoint", system.checkpoint(Scope::kind::<Kin>()).into_future()).await.unwrap();
    assert_eq!(of_kind.actors().len(), 601);
    let elsewhere = start(Config { shards: Some(1), ..Config::default() }).await;
    let restored = elsewhere.restore::<Kin>(&of_kind, None).await.unwrap();
    assert_eq!((restored.actors.len(), elsewhere.running()), (601, 601));
    let mut words = 0;
    for back in restored.actors {
        words += count(&back.actor).await.told;
    }
    assert_eq!(words, 600);
    system.stop().await;
    elsewhere.stop().await;
}

/// The worker is killed while handlers spawn: whoever is on the device is known to the application, and nobody else; no place is lost.
#[tokio::test(flavor = "multi_thread")]
async fn births_outlive_the_worker() {
    const NURSERY: u32 = 6;
    let config =
        Config { shards: Some(2), nursery: NURSERY, isolation: Isolation::Process, intensity: (10_000, PATIENCE), ..Config::default() };
    let system = start(config).await;
    if system.worker().is_none() {
        println!("not run: the environment asks for a worker that is a thread, which can not be killed");
        return;
    }
    let mut through = 0;
    for loss in 1..=25 {
        let parents = on_every_shard(&system, Kin::default).await;
        for parent in &parents {
            parent.send(KinMsg::Sow(Sow { more: 100_000, end: 1 })).await.unwrap();
        }
        for parent in &parents {
            let going = async { while count(parent).await.told < 20 + loss {} };
            soon("words", going).await;
        }
        kill(system.worker().unwrap());
        until("the takeover", || matches!(system.losses(), (n, Some(last)) if n == loss && last.resumed.is_some())).await;
        let mut alive = 0;
        for parent in &parents {
            if soon("an answer", parent.call(KinMsg::Family, None)).await.is_ok() {
                alive += 1;
                let before = count(parent).await.told;
                told(parent, before + 50).await;
            }
            parent.kill();
        }
        through += alive;
        // Words to parents that have gone are dead letters; all but the child whose parent was blamed ahead of its word have ended.
        until("they are gone", || system.running() <= parents.len() - alive).await;
        let still = async {
            loop {
                let running = system.running();
                let checkpoint = soon("a checkpoint", system.checkpoint(Scope::Device).into_future()).await.unwrap();
                if running == system.running() && checkpoint.actors().len() == running {
                    return checkpoint;
                }
            }
        };
        let left = soon("as many on the device as are known", still).await;
        for actor in left.actors() {
            assert!(left.state_at::<Kin>(actor).unwrap().handled == 0, "it was never told to end");
        }
        // No place is lost: each nursery has all of its own.
        for parent in on_every_shard(&system, Kin::default).await {
            parent.send(KinMsg::Bear(Bear { count: NURSERY, tie: 0, end: 1, panic: 0 })).await.unwrap();
            assert_eq!(told(&parent, NURSERY.into()).await.born, u64::from(NURSERY));
            parent.stop_and_wait(None, None).await.unwrap();
        }
        if through > 0 && loss >= 5 {
            break;
        }
    }
    assert!(through > 0, "everybody was blamed at every loss: nothing was seen");
    system.stop().await;
}

/// What fails or ends while it is being adopted is told, and leaves nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn adoptions_meet_ends() {
    let system = start(Config { shards: Some(2), ..Config::default() }).await;
    let parent = kin(&system, None).await;
    let family = Kin::spawn_many(None, [(0u64, Kin::default())], &system).await.unwrap().0;
    let member = family.address(&0).await.unwrap();
    assert!(matches!(system.adopt(member).await, Err(AdoptError::Member)));
    assert!(matches!(system.adopt(Address::<Kin>::NOBODY).await, Err(AdoptError::Nobody)));
    let own = system.adopt(parent.address().await).await.unwrap();
    assert_eq!(own.get_id(), parent.get_id());
    for turn in 0..200 {
        bears(&parent, 1).await;
        let child = told(&parent, turn + 1).await.last;
        let words: [u32; 4] = {
            let mut bytes = [0; 16];
            child.encode(&mut bytes);
            Plain::decode(&bytes)
        };
        let other_kind = Address::<Player>::decode(&{
            let mut bytes = [0; 16];
            words.encode(&mut bytes);
            bytes
        });
        assert!(matches!(system.adopt(other_kind).await, Err(AdoptError::Nobody)));
        let (one, two) = (system.clone(), system.clone());
        let one = ractor::concurrency::spawn(async move { one.adopt(child).await });
        let two = ractor::concurrency::spawn(async move { two.adopt(child).await });
        parent.send(KinMsg::Strike).await.unwrap();
        for adopted in [one.await.unwrap(), two.await.unwrap()] {
            match adopted {
                Ok(child) => assert_eq!(soon("its end", child.ended()).await.map(|fault| fault.class), Some(FaultClass::Panic)),
                Err(AdoptError::Failed(fault)) => assert_eq!(fault.unwrap().class, FaultClass::Panic),
                Err(AdoptError::Nobody) => {}
                Err(other) => panic!("{other}"),
            }
        }
        until("it is gone", || system.running() == 2).await;
    }
    system.stop().await;
}

/// A message that takes the worker along has spawned nobody, and its actor is blamed; whom it has spawned before is there.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_born_outlives_a_trap() {
    let system = start(Config { shards: Some(1), isolation: Isolation::Process, ..Config::default() }).await;
    if system.worker().is_none() {
        println!("not run: the environment asks for a worker that is a thread, which a trap would end with this process");
        return;
    }
    let (parent, _) = Kin::spawn(None, Kin::default(), &system).await.unwrap();
    bears(&parent, 3).await;
    told(&parent, 3).await;
    parent.send(KinMsg::Bear(Bear { count: 2, tie: 0, end: 0, panic: 2 })).await.unwrap();
    assert_eq!(soon("its end", parent.ended()).await.unwrap().class, FaultClass::Trap);
    until("its row is free", || system.running() == 3).await;
    let checkpoint = soon("a checkpoint", system.checkpoint(Scope::Device).into_future()).await.unwrap();
    assert_eq!(checkpoint.actors().len(), 3);
    let other = kin(&system, None).await;
    bears(&other, 32).await;
    told(&other, 32).await;
    system.stop().await;
}
