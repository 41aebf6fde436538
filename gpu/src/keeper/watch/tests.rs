//! The watch in a world that it does not choose: any history of words, looks, losses and wishes that a keeper could tell it of. The
//! world knows by itself, in the plainest way, who lives, who is late and how many were lost, and holds each action against that.

use proptest::prelude::*;

use super::*;

/// Shards of the device.
const SHARDS: usize = 3;
/// What a message may take, by its shard.
const BUDGETS: [Duration; SHARDS] = [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(1000)];
const CLASSES: [Class; 4] = [Class::Trap, Class::IllegalAddress, Class::Worker, Class::Protocol];
const SIGNALS: [Option<i32>; 4] = [None, Some(9), Some(6), Some(11)];

/// What any device is allowed.
const LIMITS: Limits = Limits {
    replace: true,
    beats: false,
    standby: true,
    losses: (9, Duration::from_secs(1)),
    launch: Duration::from_secs(1),
    budget: BUDGETS[2],
};

/// A look at a device that nobody else uses.
fn look(shards: &[At]) -> Event<'_> {
    Event::Look(Look { shards, alone: true, leaving: false })
}

/// What a worker is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worker {
    Launching(Duration),
    Running,
    /// Its shards were told to leave until then, since some are late.
    Parting(Duration),
    Stopping,
    /// Ended, then.
    Ended(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standby {
    None,
    Opening,
    Ready,
}

/// How it came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Lost,
    Stopped,
}

/// One thing that happens, if it can, after some time; the numbers choose among what can happen.
#[derive(Clone, Debug)]
struct Step {
    after: u64,
    what: u8,
    which: u8,
    /// The message that each shard is at, 0 for none, and whether the shard runs.
    shards: [(u8, bool); SHARDS],
}

struct World {
    watch: Watch,
    limits: Limits,
    now: Duration,
    worker: Worker,
    standby: Standby,
    /// How many failed to open in a row, and when the next has to be tried.
    failed: u32,
    again: Option<Duration>,
    /// Every look since the shards ran last.
    looks: Vec<(Duration, [Option<u64>; SHARDS])>,
    /// Who was late when the shards were told to leave.
    hung: Vec<usize>,
    /// Every loss.
    losses: Vec<Duration>,
    reported: usize,
    wants_stop: bool,
    over: Option<Over>,
}

/// Which shards' messages are blamed for a hang.
fn blamed_for_a_hang(launch: &Loss) -> Vec<usize> {
    launch.hung.iter().map(|shard| *shard as usize).collect()
}

impl World {
    fn new(limits: Limits) -> World {
        World {
            watch: Watch::new(limits, SHARDS, Duration::ZERO),
            limits,
            now: Duration::ZERO,
            worker: Worker::Launching(Duration::ZERO),
            standby: Standby::None,
            failed: 0,
            again: None,
            looks: vec![],
            hung: vec![],
            losses: vec![],
            reported: 0,
            wants_stop: false,
            over: None,
        }
    }

    fn is_alive(&self) -> bool {
        !matches!(self.worker, Worker::Ended(_))
    }

    /// Tells the watch, carries out what it wants as the keeper does, and holds that against what may be done.
    fn tell(&mut self, event: Event<'_>, signal: Option<i32>) -> Vec<Action> {
        let was_over = self.over.is_some();
        let actions = self.watch.handle(event, self.now);
        assert!(!was_over || actions.is_empty(), "it is over: {actions:?}");
        let gives_up = actions == [Action::End, Action::Done];
        for action in &actions {
            self.perform(action, signal, gives_up);
        }
        assert_eq!(self.watch.is_parting(), matches!(self.worker, Worker::Parting(_)) && self.over.is_none());
        actions
    }

    fn perform(&mut self, action: &Action, signal: Option<i32>, gives_up: bool) {
        assert!(self.over.is_none(), "after it was over: {action:?}");
        match action {
            Action::Open => {
                assert!(self.limits.replace && self.standby == Standby::None, "a second one that stands by");
                self.standby = Standby::Opening;
                self.again = None;
            }
            Action::Part => {
                assert_eq!(self.worker, Worker::Running);
                self.worker = Worker::Parting(self.now + GRACE);
            }
            Action::End if gives_up => {}
            Action::End => {
                assert!(self.is_alive(), "ended twice");
                self.worker = Worker::Ended(self.now);
                self.failed = 0;
                let before = self.reported;
                let must_lose = self.wants_stop || !self.limits.replace || self.is_one_too_many();
                self.losses.extend((!self.wants_stop && self.limits.replace).then_some(self.now));
                self.tell(Event::Ended(signal), signal);
                assert_eq!(self.reported == before, must_lose, "lost for good exactly if that may not be: {:?}", self.losses);
                assert_eq!(self.over == Some(Over::Lost), must_lose);
            }
            Action::Report(_) => self.reported += 1,
            Action::Launch(launch) => {
                assert!(!self.is_alive(), "two workers at once");
                assert_eq!(self.standby, Standby::Ready, "one that has nothing ready is launched");
                assert_eq!(blamed_for_a_hang(launch), self.hung, "blamed for a hang: who was late, and nobody else");
                self.standby = Standby::None;
                self.worker = Worker::Launching(self.now);
                self.hung.clear();
            }
            Action::Stop => {
                assert!(self.wants_stop && self.worker == Worker::Running, "{:?}", self.worker);
                self.worker = Worker::Stopping;
            }
            Action::Lose(_) => self.over = Some(Over::Lost),
            Action::Done => self.over = Some(Over::Stopped),
        }
    }

    fn is_one_too_many(&self) -> bool {
        let (most, period) = self.limits.losses;
        self.losses.iter().filter(|loss| self.now - **loss <= period).count() + 1 > most as usize
    }

    /// Who has been seen at one and the same message, look after look, for longer than that may take.
    fn late(&self) -> Vec<usize> {
        let is_late = |shard: &usize| {
            let Some(message) = self.looks.last().and_then(|(_, at)| at[*shard]) else { return false };
            let first = self.looks.iter().rev().take_while(|(_, at)| at[*shard] == Some(message)).last();
            first.is_some_and(|(since, _)| self.now - *since > BUDGETS[*shard])
        };
        (0..SHARDS).filter(is_late).collect()
    }

    fn look(&mut self, shards: &[(u8, bool); SHARDS]) {
        let at: [At; SHARDS] = std::array::from_fn(|shard| {
            let (message, running) = shards[shard];
            At { busy: (message != 0).then_some((u64::from(message), BUDGETS[shard])), clock: self.now, beat: 0, running }
        });
        let before = self.worker;
        if before == Worker::Running {
            self.looks.push((self.now, at.map(|at| at.busy.map(|(message, _)| message))));
            if self.limits.replace {
                self.hung = self.late();
            }
        }
        let hung = self.hung.clone();
        let is_due = (!self.wants_stop || !self.is_alive()) && self.again.is_some_and(|again| self.now >= again);
        let actions = self.tell(look(&at), None);
        let kind = actions.first().map(std::mem::discriminant);
        let is = |action: Action| Some(std::mem::discriminant(&action));
        let expected = match before {
            _ if self.over == Some(Over::Stopped) => None,
            Worker::Running if !hung.is_empty() => is(Action::Part),
            Worker::Parting(until) => {
                let alone = (0..SHARDS).all(|shard| !at[shard].running || hung.contains(&shard));
                if alone || self.now >= until { is(Action::End) } else { is_due.then(|| is(Action::Open)).flatten() }
            }
            Worker::Launching(since) if self.now - since > self.limits.launch => is(Action::End),
            Worker::Ended(since) if self.now - since > self.limits.launch => is(Action::Lose(WorkerError::new(Class::Worker, ""))),
            _ if is_due => is(Action::Open),
            _ => None,
        };
        assert_eq!(kind, expected, "{before:?}, late: {hung:?}, {actions:?}");
    }

    fn running(&mut self) {
        self.looks.clear();
        self.worker = Worker::Running;
        self.tell(Event::Running, None);
    }

    fn opened(&mut self) {
        self.standby = Standby::Ready;
        self.failed = 0;
        self.tell(Event::Opened, None);
    }

    fn not_opened(&mut self) {
        self.standby = Standby::None;
        self.failed += 1;
        // Doubled each time, up to a limit.
        let pause = (1..self.failed).fold(PAUSE, |pause, _| LONGEST_PAUSE.min(pause * 2));
        self.again = Some(self.now + pause);
        self.tell(Event::NotOpened(WorkerError::new(Class::Worker, "not opened")), None);
        let must_lose = matches!(self.worker, Worker::Ended(_)) && self.failed >= ATTEMPTS;
        assert_eq!(self.over == Some(Over::Lost), must_lose);
    }

    fn step(&mut self, step: &Step) {
        self.now += Duration::from_millis(step.after);
        if self.over.is_some() {
            // Too late, whatever it is.
            let error = WorkerError::new(Class::Trap, "late");
            for event in [Event::Gone, Event::Failed(error.clone()), Event::Opened, Event::NotOpened(error), Event::Running] {
                self.tell(event, None);
            }
            for event in [Event::Stop, Event::Stopped, Event::GiveUp, Event::Ended(Some(9)), look(&[At::default(); SHARDS])] {
                self.tell(event, None);
            }
            return;
        }
        let which = usize::from(step.which) % CLASSES.len();
        match (step.what % 20, self.worker, self.standby) {
            (0, ..) if self.is_alive() => drop(self.tell(Event::Gone, SIGNALS[which])),
            (1, ..) if self.is_alive() => drop(self.tell(Event::Failed(WorkerError::new(CLASSES[which], "failed")), SIGNALS[which])),
            (2..6, Worker::Launching(_), _) => self.running(),
            (6..10, _, Standby::Opening) => self.opened(),
            (10, _, Standby::Opening | Standby::Ready) => self.not_opened(),
            (11, ..) if step.which < 40 => {
                self.wants_stop = true;
                self.tell(Event::Stop, None);
            }
            (12, ..) if step.which < 5 => {
                self.tell(Event::GiveUp, None);
                assert_eq!(self.over, Some(Over::Stopped));
            }
            (13, Worker::Stopping, _) => {
                self.tell(Event::Stopped, None);
                assert_eq!(self.over, Some(Over::Stopped));
            }
            _ => self.look(&step.shards),
        }
    }

    /// From here on everybody does what is asked of him.
    fn settle(&mut self) {
        for _ in 0..20 {
            self.now += Duration::from_millis(1);
            match (self.over, self.worker, self.standby) {
                (Some(_), ..) => return,
                (_, Worker::Launching(_), _) => self.running(),
                (_, Worker::Stopping, _) => drop(self.tell(Event::Stopped, None)),
                (_, Worker::Parting(_), _) => self.look(&[(0, false); SHARDS]),
                (_, Worker::Ended(_), Standby::Opening) => self.opened(),
                (_, Worker::Ended(_), Standby::None) if self.again.is_some() => {
                    self.now = self.now.max(self.again.unwrap_or_default());
                    self.look(&[(0, false); SHARDS]);
                }
                (_, Worker::Ended(_), _) => panic!("nobody is to take over, and nobody is told"),
                (_, Worker::Running, _) => self.look(&[(0, true); SHARDS]),
            }
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Messages stay for some looks, or nobody would ever be late.
    let shard = prop_oneof![4 => Just((1, true)), 1 => Just((2, true)), 1 => Just((0, true)), 1 => Just((1, false)), 1 => Just((0, false))];
    let after = prop_oneof![6 => 0..5u64, 4 => 5..60u64, 1 => 60..700u64];
    let step = (after, any::<u8>(), any::<u8>(), [shard.clone(), shard.clone(), shard]);
    prop::collection::vec(step.prop_map(|(after, what, which, shards)| Step { after, what, which, shards }), 0..300)
}

fn limits() -> impl Strategy<Value = Limits> {
    (prop::bool::weighted(0.85), any::<bool>(), 0..6u32, 0..3000u64, 100..2000u64).prop_map(|(replace, standby, most, period, launch)| {
        let (losses, launch) = ((most, Duration::from_millis(period)), Duration::from_millis(launch));
        Limits { replace, standby, losses, launch, ..LIMITS }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens, no action is out of order; and once the world behaves, the device runs or has come to its end, and after a
    /// stop it has.
    #[test]
    fn any_history(limits in limits(), steps in steps(), stops in any::<bool>()) {
        let mut world = World::new(limits);
        for step in &steps {
            world.step(step);
        }
        if stops && world.over.is_none() {
            world.wants_stop = true;
            world.tell(Event::Stop, None);
        }
        world.settle();
        prop_assert!(world.over.is_some() || world.worker == Worker::Running && !world.wants_stop, "{:?}", world.watch);
    }

    /// A shard that comes to its next message in time is never called hung, however long it is at work.
    #[test]
    fn who_makes_progress_is_not_late(gaps in prop::collection::vec((1..40u64, any::<bool>()), 1..400)) {
        let mut world = World::new(LIMITS);
        world.running();
        let (mut message, mut since) = (1, Duration::ZERO);
        for (gap, moves) in gaps {
            world.now += Duration::from_millis(gap);
            // The shortest budget is 50 ms: another 40 would be too many.
            if moves || world.now - since > Duration::from_millis(10) {
                message += 1;
                since = world.now;
            }
            let at = [At { busy: Some((message, BUDGETS[0])), clock: world.now, beat: 0, running: true }; SHARDS];
            prop_assert_eq!(world.tell(look(&at), None), vec![]);
        }
    }
}

/// One shard hangs, is blamed alone, and the device goes on: the story that the histories are made of.
#[test]
fn a_hang_from_end_to_end() {
    let mut world = World::new(Limits { losses: (1, Duration::from_secs(1)), ..LIMITS });
    world.running();
    world.opened();
    let busy = [(1, true), (0, true), (0, true)];
    world.look(&busy);
    world.now += BUDGETS[0];
    world.look(&busy);
    assert_eq!(world.worker, Worker::Running, "at its budget it is not late");
    world.now += Duration::from_millis(1);
    world.look(&busy);
    assert!(world.watch.is_parting());
    // The others are at a message boundary: nobody waits for the one that hangs.
    world.look(&[(1, true), (0, false), (0, false)]);
    assert_eq!((world.worker, world.reported), (Worker::Launching(world.now), 1));
    world.running();
    assert_eq!(world.standby, Standby::Opening);
    // The next loss within the second is one too many.
    world.tell(Event::Gone, Some(9));
    assert_eq!(world.over, Some(Over::Lost));
}

/// What is short for a while costs no standby for good; what stays short is tried seldom.
#[test]
fn one_that_is_to_stand_by_is_tried_again() {
    let mut world = World::new(LIMITS);
    world.running();
    let mut tried = vec![];
    for _ in 0..20 {
        world.not_opened();
        let begun = world.now;
        while world.standby == Standby::None {
            world.now += Duration::from_millis(10);
            world.look(&[(0, true); SHARDS]);
        }
        tried.push((world.now - begun).as_millis());
    }
    assert_eq!((&tried[..4], tried[19]), (&[10, 20, 40, 80][..], 10_000));
    world.opened();
    world.not_opened();
    world.now += PAUSE;
    world.look(&[(0, true); SHARDS]);
    assert_eq!(world.standby, Standby::Opening, "it begins anew with one that had opened");
}

/// A device whose shards give signs of life, a millisecond after the other, and stop as they are told to.
struct Gpu {
    watch: Watch,
    now: Duration,
    alone: bool,
    leaving: bool,
    shards: Vec<At>,
}

impl Gpu {
    fn new(shards: usize, alone: bool) -> Gpu {
        let limits = Limits { beats: true, standby: false, budget: BUDGETS[2], ..LIMITS };
        let mut watch = Watch::new(limits, shards, Duration::ZERO);
        watch.handle(Event::Running, Duration::ZERO);
        let shards = vec![At { running: true, ..At::default() }; shards];
        Gpu { watch, now: Duration::ZERO, alone, leaving: false, shards }
    }

    fn look(&mut self) -> Vec<Action> {
        let look = Look { shards: &self.shards, alone: self.alone, leaving: self.leaving };
        self.watch.handle(Event::Look(look), self.now)
    }

    /// Time goes on, a millisecond and a look after the other, with signs of life or without: until something is to be done, and when.
    fn goes_on(&mut self, time: Duration, lives: bool) -> Option<(Duration, Vec<Action>)> {
        let end = self.now + time;
        while self.now < end {
            self.now += TICK;
            if lives {
                self.shards.iter_mut().filter(|at| at.running).for_each(|at| at.beat = self.now.as_micros() as u64);
            }
            let actions = self.look();
            if !actions.is_empty() {
                return Some((self.now, actions));
            }
        }
        None
    }

    fn is_at(&mut self, shard: usize, message: u64) {
        self.shards[shard].busy = Some((message, BUDGETS[shard]));
    }

    /// Why the worker that was ended was lost.
    fn loss(&mut self) -> WorkerError {
        let actions = self.watch.handle(Event::Ended(Some(9)), self.now);
        match &actions[..] {
            [Action::Report(error), ..] => error.clone(),
            other => panic!("{other:?}"),
        }
    }
}

const TICK: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// All shards stop at once and for long: a trap. Some before the others, or a single one, may be something else.
#[test]
fn silence_is_a_trap_if_it_is_everybodys() {
    let fell_silent = |beats: &[u64]| {
        let mut gpu = Gpu::new(beats.len(), true);
        beats.iter().zip(&mut gpu.shards).for_each(|(beat, at)| at.beat = *beat);
        let found = gpu.goes_on(DEAD, false);
        assert!(found.is_none() || found == Some((SILENCE + 2 * TICK, vec![Action::End])), "{found:?}");
        found.is_some() && gpu.loss().class == Class::Trap
    };
    assert!(fell_silent(&[10_000, 10_900, 10_200]));
    assert!(!fell_silent(&[10_000, 10_900, 90_000]), "one stopped long before");
    assert!(!fell_silent(&[10_000]), "one alone");
}

/// Where somebody else can have stopped the device the driver is waited for, and its word is kept.
#[test]
fn silence_of_a_shared_device_is_a_suspicion() {
    for class in [Class::Trap, Class::IllegalAddress] {
        let mut gpu = Gpu::new(3, false);
        gpu.is_at(0, 1);
        assert_eq!(gpu.goes_on(BUDGETS[0] / 2, true), None);
        assert_eq!(gpu.goes_on(DEAD, false), None);
        assert_eq!(gpu.watch.handle(Event::Failed(WorkerError::new(class, "the driver's")), gpu.now), vec![Action::End]);
        assert_eq!(gpu.loss(), WorkerError::new(class, "the driver's"));
        assert_eq!(gpu.watch.loss, Loss { fault: fault(class), hung: vec![] });
    }
}

/// A device that is silent, and whose driver is too, is given up at last, and nobody is blamed for it. One that nobody has told of a
/// message gives no signs once it is told to leave: the same holds.
#[test]
fn a_device_that_says_nothing_at_all_is_ended() {
    for (shards, leaving) in [(3, false), (1, false), (3, true)] {
        let mut gpu = Gpu::new(shards, false);
        if !leaving {
            gpu.is_at(0, 1);
        }
        gpu.goes_on(BUDGETS[0] / 2, true);
        gpu.leaving = leaving;
        let silent = gpu.now;
        assert_eq!(gpu.goes_on(2 * DEAD, false), Some((silent + BUDGETS[2] + DEAD + TICK, vec![Action::End])));
        let loss = gpu.loss();
        assert!(loss.class == Class::Worker && loss.text.contains("no sign of life for 11"), "{loss:?}");
        assert_eq!(gpu.watch.loss, Loss { fault: wire::FAULT_WORKER, hung: vec![] });
    }
}

/// Where panics abort, a handler's panic ends the worker once the other shards have left, and is nothing of the device's intensity.
#[test]
fn a_panic_costs_no_intensity() {
    let none = Limits { losses: (0, SECOND), ..LIMITS };
    let panicked = || Event::Panicked(1, WorkerError::new(Class::Panic, "at gate 7"));
    let (mut watch, mut now) = (Watch::new(none, SHARDS, Duration::ZERO), Duration::ZERO);
    for turn in 0..5 {
        let mut shards = [At { running: true, ..At::default() }; SHARDS];
        if turn != 4 {
            watch.handle(Event::Running, now);
            assert_eq!(watch.handle(panicked(), now), [Action::Part]);
            assert_eq!(watch.handle(look(&shards), now), [], "the others are on their way");
            (shards[0].running, shards[2].running) = (false, false);
            // At last those that do not leave are left alone.
            let left = if turn == 3 { [At { running: true, ..At::default() }; SHARDS] } else { shards };
            now += if turn == 3 { GRACE } else { TICK };
            assert_eq!(watch.handle(look(&left), now), [Action::End]);
        } else {
            assert_eq!(watch.handle(panicked(), now), [Action::End], "while it came up");
        }
        let actions = watch.handle(Event::Ended(Some(9)), now);
        assert_eq!(actions[0], Action::Report(WorkerError::new(Class::Panic, "at gate 7")));
        let launch = watch.handle(Event::Opened, now);
        assert_eq!(launch, [Action::Launch(Loss { fault: wire::FAULT_PANIC, hung: vec![1] })]);
    }
    watch.handle(Event::Running, now);
    watch.handle(Event::Gone, now);
    assert!(matches!(watch.handle(Event::Ended(Some(9)), now)[..], [Action::Lose(_)]), "and any other is too much");
}

/// A shard that was told to leave gives no signs while its handler hangs: that is found all the same, once no stall takes that long.
#[test]
fn who_hangs_as_all_are_to_leave_is_found() {
    let mut gpu = Gpu::new(3, false);
    gpu.is_at(0, 1);
    gpu.goes_on(2 * TICK, true);
    gpu.leaving = true;
    gpu.shards[1].running = false;
    gpu.shards[2].running = false;
    let (found, actions) = gpu.goes_on(DEAD, false).expect("it is found");
    assert!(actions == [Action::Part] && found > STALL + BUDGETS[0] - GAP && found < STALL + BUDGETS[0] + GAP, "{found:?}");
}

/// A stall while the others are on their way out does not cut them off.
#[test]
fn shards_of_a_shared_device_have_time_to_leave() {
    for (alone, grace) in [(true, GRACE), (false, STALL)] {
        let mut gpu = Gpu::new(3, alone);
        gpu.is_at(0, 1);
        assert!(matches!(gpu.goes_on(SECOND, true), Some((_, actions)) if actions == [Action::Part]));
        (gpu.leaving, gpu.shards[1].running) = (true, false);
        assert_eq!(gpu.goes_on(grace - TICK, false), None);
        assert_eq!(gpu.goes_on(TICK, false), Some((gpu.now, vec![Action::End])));
        assert_eq!(gpu.loss().class, Class::Hang);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    /// The device stands still for others, again and again, while messages are handled that take what they may: nobody is convicted.
    #[test]
    fn a_stall_convicts_nobody(turns in prop::collection::vec((1..40u64, 11..1000u64), 1..40)) {
        let mut gpu = Gpu::new(3, false);
        for (message, (works, stands)) in (1..).zip(turns) {
            gpu.is_at(0, message);
            // A stall adds what two signs may lie apart.
            let works = Duration::from_millis(works).min(BUDGETS[0] - GAP - TICK);
            prop_assert_eq!(gpu.goes_on(works / 2, true), None);
            prop_assert_eq!(gpu.goes_on(Duration::from_millis(stands), false), None);
            prop_assert_eq!(gpu.goes_on(works / 2, true), None);
        }
    }

    /// Who hangs is found once the device has lived for its budget, whatever stalls there are, and not before.
    #[test]
    fn a_hang_is_found_between_stalls(shard in 0..SHARDS, alone in any::<bool>(), turns in prop::collection::vec((20..200u64, 11..45u64), 200)) {
        let mut gpu = Gpu::new(3, alone);
        gpu.is_at(shard, 1);
        let (mut lived, mut found) = (Duration::ZERO, None);
        for (works, stands) in turns {
            let (works, stands) = (Duration::from_millis(works), Duration::from_millis(stands));
            let begun = gpu.now;
            found = gpu.goes_on(works, true);
            lived += gpu.now - begun;
            if found.is_some() {
                break;
            }
            prop_assert_eq!(gpu.goes_on(stands, false), None);
            // With the sign that ends it, as much as signs may lie apart.
            lived += GAP - TICK;
        }
        let (_, actions) = found.expect("it is found");
        prop_assert_eq!(actions, vec![Action::Part]);
        prop_assert!(lived > BUDGETS[shard] && lived <= BUDGETS[shard] + GAP + TICK, "{:?} of {:?}", lived, BUDGETS[shard]);
        gpu.shards.iter_mut().enumerate().for_each(|(other, at)| at.running = other == shard);
        prop_assert_eq!(gpu.goes_on(TICK, false).map(|(_, actions)| actions), Some(vec![Action::End]));
        prop_assert_eq!(gpu.loss().class, Class::Hang);
        prop_assert_eq!(&gpu.watch.loss.hung, &vec![shard as u32]);
    }
}
