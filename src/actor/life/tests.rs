//! The table of lives, and random ones against naive rules.

use super::Action::*;
use super::Event::*;
use super::*;

/// The life after this history.
fn after(kept: bool, history: &[Event]) -> Life {
    let mut life = Life::new(kept);
    for event in history {
        life.on(*event);
    }
    life
}

const ABRUPTLY: Event = Rest { abruptly: true };
const REST: Event = Rest { abruptly: false };

/// H-1, H-3: what is done about each event, by what has come before.
#[test]
fn the_table() {
    const ALONE: bool = false;
    const KEPT: bool = true;
    let rows: &[(bool, &[Event], Event, &[Action])] = &[
        // Nobody keeps it: its proxy ends with it.
        (ALONE, &[], Arrived(1), &[]),
        (ALONE, &[Arrived(1)], Failed(1), &[]),
        (ALONE, &[Arrived(1), Failed(1)], Told(1), &[StopProxy]),
        (ALONE, &[Failed(1), Told(1)], Finish, &[Wake, Stop]),
        (ALONE, &[Failed(1), Told(1), Finish], Failed(1), &[]),
        (ALONE, &[Finish], Told(1), &[StopProxy]),
        (ALONE, &[Arrived(1)], Finish, &[Wake, Stop]),
        (ALONE, &[Finish], Finish, &[Wake]),
        (ALONE, &[], Finish, &[Wake, Stop]),
        // The proxy has gone without stopping it: a kill, a panic, the end of its runtime.
        (ALONE, &[Arrived(1)], Abandon, &[Wake, Kill, Stop]),
        (ALONE, &[Arrived(1), Failed(1)], Abandon, &[Wake, Kill, Stop]),
        (ALONE, &[Finish], Abandon, &[Wake]),
        (ALONE, &[Finish, Released(1)], Abandon, &[Wake]),
        (ALONE, &[Finish, Released(1)], Begun, &[]),
        // Its keeper hears of a fault, once, and starts the next one or ends it.
        (KEPT, &[Arrived(1), Failed(1)], Told(1), &[Stop, Tell]),
        (KEPT, &[Failed(1), Told(1)], Told(1), &[]),
        (KEPT, &[Failed(1), Told(1)], Unheard, &[StopProxy]),
        (KEPT, &[Failed(1), Told(1)], Begun, &[Open, Wake]),
        (KEPT, &[Failed(1), Told(1), Released(1)], Begun, &[Open, Wake]),
        (KEPT, &[Failed(1), Told(1)], Retire, &[Wake, KillProxy]),
        (KEPT, &[Failed(1), Told(1), Released(1)], Retire, &[Wake, StopProxy]),
        (KEPT, &[Failed(1), Told(1), Retire], Begun, &[]),
        (KEPT, &[Failed(1), Told(1), Finish], Begun, &[]),
        // It rests as it is told, and what fails meanwhile is no news.
        (KEPT, &[Arrived(1)], REST, &[Stop]),
        (KEPT, &[Arrived(1)], ABRUPTLY, &[Kill, Stop]),
        (KEPT, &[REST], ABRUPTLY, &[Kill]),
        (KEPT, &[REST], REST, &[]),
        (KEPT, &[REST, Failed(1)], Told(1), &[]),
        (KEPT, &[Failed(1), REST], Told(1), &[]),
        (KEPT, &[Finish], REST, &[]),
        (KEPT, &[Finish], ABRUPTLY, &[]),
        (KEPT, &[REST], Finish, &[Wake]),
        (KEPT, &[REST], Abandon, &[Wake]),
        // One that has ended is not told of.
        (KEPT, &[Finish, Failed(1)], Told(1), &[]),
        // Nothing begins beside one that lives.
        (KEPT, &[Arrived(1)], Begun, &[]),
        (KEPT, &[Failed(1)], Begun, &[]),
        // The next one may be further than its beginning.
        (KEPT, &[REST, Arrived(2), Begun], REST, &[Stop]),
        (KEPT, &[REST, Failed(2)], Told(2), &[]),
        (KEPT, &[REST, Failed(2), Told(2)], Begun, &[Open, Wake, Stop, Tell]),
        (KEPT, &[REST, Failed(2), Begun], Told(2), &[]),
        (KEPT, &[REST, Begun, Failed(2)], Told(2), &[Stop, Tell]),
        // The one before is nobody's any more, however late its words come.
        (KEPT, &[REST, Begun], Failed(1), &[]),
        (KEPT, &[REST, Begun, Failed(1)], Told(1), &[]),
        (KEPT, &[REST, Begun], Released(1), &[]),
        (KEPT, &[REST, Begun, Released(1)], Begun, &[]),
    ];
    for (kept, history, event, actions) in rows {
        assert_eq!(after(*kept, history).on(*event), *actions, "{kept} {history:?} {event:?}");
    }
}

/// What else is asked of a life.
#[test]
fn what_a_life_says() {
    let said = |history: &[Event]| {
        let life = after(true, history);
        (life.is_starting(), life.is_live(), life.rests(), life.is_over())
    };
    assert_eq!(said(&[]), (true, true, false, false));
    assert_eq!(said(&[Arrived(1)]), (false, true, false, false));
    assert_eq!(said(&[Arrived(1), Failed(1)]), (false, true, false, false));
    assert_eq!(said(&[Arrived(1), Failed(1), Told(1)]), (false, false, true, false));
    assert_eq!(said(&[REST, Released(1)]), (false, false, true, false));
    assert_eq!(said(&[REST, Begun]), (true, true, false, false));
    assert_eq!(said(&[REST, Arrived(2), Begun]), (false, true, false, false));
    assert_eq!(said(&[Finish]), (false, false, false, true));
    assert!(!after(false, &[Finish]).rests() && !after(false, &[Failed(1), Told(1)]).rests());
}

/// The same numbers in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What has happened to one incarnation, as anybody sees it who counts.
#[derive(Default)]
struct Seen {
    arrived: bool,
    failed: bool,
    told: bool,
    stops: u32,
    released: bool,
    /// The keeper was told.
    news: u32,
    /// It had failed and its call had ended, while nothing else had stopped it.
    is_news: bool,
}

/// An actor and everything that can happen to it.
struct World {
    life: Life,
    kept: bool,
    over: bool,
    /// Those that have begun; at the end, if `next` is set, the one that is on its way.
    seen: Vec<Seen>,
    next: bool,
}

impl World {
    fn new(kept: bool) -> World {
        World { life: Life::new(kept), kept, over: false, seen: vec![Seen::default()], next: false }
    }

    /// The one that the proxy and its keeper mean.
    fn last(&mut self) -> &mut Seen {
        let last = self.seen.len() - 1 - usize::from(self.next);
        &mut self.seen[last]
    }

    /// Something that can happen now.
    fn event(&mut self, dice: &mut Dice) -> Option<Event> {
        let at = dice.roll(self.seen.len() as u64) as usize;
        let (number, seen) = (at as u64 + 1, &mut self.seen[at]);
        let once = |was: &mut bool, event| (!std::mem::replace(was, true)).then_some(event);
        match dice.roll(if self.kept { 11 } else { 6 }) {
            0 if !seen.released => once(&mut seen.arrived, Arrived(number)),
            1 | 2 if !seen.released => once(&mut seen.failed, Failed(number)),
            3 if seen.failed => once(&mut seen.told, Told(number)),
            4 if seen.stops > 0 => once(&mut seen.released, Released(number)),
            5 => (dice.roll(12) == 0).then_some(if dice.roll(2) == 0 { Finish } else { Abandon }),
            6 => Some(Rest { abruptly: dice.roll(2) == 0 }),
            7 => (dice.roll(12) == 0).then_some(Retire),
            8 | 9 if !self.next => {
                self.next = true;
                self.seen.push(Seen::default());
                None
            }
            10 if self.next => Some(Begun),
            _ => None,
        }
    }

    /// Has `event` happen, and looks whether what is done about it keeps the rules.
    fn happen(&mut self, event: Event) {
        let (stopped, over) = (self.last().stops > 0, self.over);
        let ends = matches!(event, Finish | Abandon | Retire);
        let actions = self.life.on(event);
        let has = |action| actions.contains(&action);
        self.over |= ends;

        // Gone before the next one begins; then handles know it at once, and nobody begins behind an end.
        let begins = event == Begun && self.kept && stopped && !over;
        assert_eq!((has(Open), has(Wake)), (begins, begins || ends), "{event:?}");
        if event == Begun {
            self.next = false;
            if !begins {
                // Whoever has sent it takes it back.
                self.seen.pop();
            }
        }
        // A fault that the keeper is to hear of: nothing else has ended the incarnation, or stops it.
        let (kept, over) = (self.kept, self.over);
        let last = self.last();
        let heard = matches!(event, Told(_)) || begins;
        if kept && !over && heard && last.failed && last.stops == 0 && (last.told || begins) {
            last.is_news = true;
        }
        last.stops += u32::from(has(Stop));
        last.news += u32::from(has(Tell));
        assert!(last.stops <= 1 && last.news == u32::from(last.is_news), "{event:?}: {actions:?}");
        // Whatever ends it stops it, ahead of everything that it was sent where that is to be left out.
        let kills = event == ABRUPTLY && !over || event == Abandon && !stopped;
        assert_eq!(has(Kill), kills, "{event:?}");
        assert!(!(kills && has(Stop)) || actions.iter().position(|a| *a == Kill) < actions.iter().position(|a| *a == Stop));
        assert!(last.stops == 1 || !matches!(event, Finish | Abandon) && (event != REST && event != ABRUPTLY || over), "{event:?}");
        // Whoever keeps it decides what becomes of the proxy, and if nobody does, it ends with the actor.
        let is_free = last.released;
        assert_eq!(has(KillProxy), event == Retire && !is_free);
        assert_eq!(has(StopProxy), event == Retire && is_free || matches!(event, Told(_)) && !kept);
        assert_eq!(self.life.is_over(), over);
        let stops = self.last().stops;
        assert_eq!((self.life.is_live(), self.life.rests()), (!over && stops == 0, kept && !over && stops == 1));
    }
}

/// H-1, H-3.
#[test]
fn random_lives_keep_the_rules() {
    let mut dice = Dice(1);
    let (mut incarnations, mut news) = (0, 0);
    for _ in 0..20_000 {
        let mut world = World::new(dice.roll(4) > 0);
        for _ in 0..dice.roll(80) {
            if let Some(event) = world.event(&mut dice) {
                world.happen(event);
            }
        }
        // The proxy ends at last, as it pleases, and its value is dropped.
        if dice.roll(2) == 0 {
            world.happen(Finish);
        }
        world.happen(Abandon);
        if world.next {
            world.happen(Begun);
        }
        assert!(world.seen.iter().all(|seen| seen.stops == 1), "each was stopped once");
        incarnations += world.seen.len();
        news += world.seen.iter().filter(|seen| seen.is_news).count();
    }
    assert!(incarnations > 30_000 && news > 5_000, "{incarnations} incarnations, {news} faults told");
}
