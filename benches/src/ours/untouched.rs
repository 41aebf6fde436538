//! Faults while messages flow: whoever was not blamed has the state that his messages make, word for word.
//!
//! Each actor has a model on the host that handles the same messages with the same code. A fault strikes while messages are on their
//! way to all of them, and they go on while the worker is lost; at the end every state is read through a call. Only an actor whose
//! message was being handled when a worker was lost may differ, and it is known by its fault: it is counted, and another takes its place.

use super::streams::Idle;
use super::takeover::{kill_worker, noticed, ready, resumed};
use super::{Ours, PATIENCE};
use crate::rounds::{Contender, Error, Record};
use resident::{AskError, CastError, FaultClass, GpuRef, Spawn, System};
use resident_kernels::actor::{Handles, Message};
use resident_kernels::host::Resident;
use resident_test_actors::{
    Add, AddAndGet, Ask, BIG_WORDS, Big, BigMsg, Break, Breaker, BreakerMsg, Counter, CounterMsg, Digest, EXPLICIT, Echo, EchoMsg, Get,
    Note, Panic, Panicker, PanickerMsg, Peek, Put, Recall, SPIN, TRAP, WILD_READ, WILD_WRITE, mix, words,
};
use std::time::Duration;

/// Actors that should notice nothing.
const ACTORS: u64 = 64;
/// Messages to them before each fault, and again while the worker is lost.
const BURST: u64 = 200;

/// What strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strike {
    Break(u32, FaultClass),
    /// On a GPU its fault comes when its handler has ended: whose it was is not known then.
    WildWrite,
    Kill,
    Panic,
}

const STRIKES: [Strike; 6] = [
    Strike::Break(TRAP, FaultClass::Trap),
    Strike::Break(WILD_READ, FaultClass::IllegalAddress),
    Strike::Break(SPIN, FaultClass::Hang),
    Strike::WildWrite,
    Strike::Kill,
    Strike::Panic,
];

/// The comparison.
pub struct Untouched<'r> {
    ours: Ours<'r>,
    faults: u32,
    seed: u64,
}

impl<'r> Untouched<'r> {
    /// So many faults in each round, all chosen from `seed`.
    pub fn new(ours: Ours<'r>, faults: u32, seed: u64) -> Untouched<'r> {
        Untouched { ours: ours.with(|config| config.intensity = (u32::MAX, Duration::from_secs(1))), faults, seed }
    }

    /// What the table calls the number of actors that differ from their models.
    pub fn differing(title: &str) -> String {
        format!("{title}, actors not blamed whose state differs from its model")
    }

    /// What it calls the number of faults.
    pub fn struck(title: &str) -> String {
        format!("{title}, faults of random classes while messages flow")
    }

    /// What it calls the number of actors that were blamed for being handled when a worker was lost.
    pub fn blamed(title: &str) -> String {
        format!("{title}, actors blamed beside those that were to break")
    }
}

impl Contender for Untouched<'_> {
    fn name(&self) -> String {
        format!("{}, states after random faults", self.ours.title())
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        let title = self.ours.title();
        self.ours.system(|system| {
            let mut crowd = Crowd::new(&self.ours, system, self.seed)?;
            for _ in 0..self.faults {
                crowd.send(BURST)?;
                crowd.strike()?;
            }
            crowd.send(BURST)?;
            let differing = crowd.compare()?;
            record.count(&Untouched::struck(&title), u64::from(self.faults));
            record.count(&format!("{title}, workers lost meanwhile"), system.losses().0);
            record.count(&Untouched::blamed(&title), crowd.blamed);
            record.count(&format!("{title}, messages sent to the others"), crowd.sent);
            record.count(&Untouched::differing(&title), differing);
            record.checked(&self.name(), crowd.answers);
            Ok(())
        })
    }
}

/// Random numbers, the same for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 += 1;
        mix(self.0, 0x5eed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// An actor that should notice nothing, and its model.
enum Subject {
    Counter(GpuRef<Counter>, Counter),
    Echo(GpuRef<Echo>, Echo),
    Big(GpuRef<Big>, Box<Big>),
}

/// What came of a message.
#[derive(PartialEq, Eq)]
enum Sent {
    Cast,
    /// Its answer was the model's.
    Answered,
    /// The actor has failed by a loss.
    Blamed,
}

impl Subject {
    fn spawn(ours: &Ours<'_>, system: &System, number: u64, random: &mut Random) -> Result<Subject, Error> {
        Ok(match number % 8 {
            0 => {
                let model = Box::new(Big::new(random.next()));
                Subject::Big(ours.runtime.block_on(Big::spawn(None, (*model).clone(), system))?.0, model)
            }
            1 | 2 => {
                let model = Echo::new(random.next());
                Subject::Echo(ours.runtime.block_on(Echo::spawn(None, model.clone(), system))?.0, model)
            }
            _ => Subject::Counter(ours.runtime.block_on(Counter::spawn(None, Counter::default(), system))?.0, Counter::default()),
        })
    }

    /// Sends a random message to actor and model; every eighth is answered and compared.
    fn send(&mut self, random: &mut Random) -> Result<Sent, Error> {
        let (asks, value) = (random.below(8) == 0, random.next());
        match self {
            Subject::Counter(actor, model) => {
                model.total = model.total.wrapping_add(value);
                model.added += 1;
                if asks {
                    return same(ask(actor, &AddAndGet { amount: value })?, model.total);
                }
                cast(actor, CounterMsg::Add(Add { amount: value }))
            }
            Subject::Echo(actor, model) => {
                if asks {
                    let request = Ask { nonce: value, words: words(value) };
                    let answer = model.answer(&request);
                    model.remember(value);
                    return same(ask(actor, &request)?, answer);
                }
                model.remember(value);
                cast(actor, EchoMsg::Note(Note { nonce: value, words: words(value) }))
            }
            Subject::Big(actor, model) => {
                let at = random.below(BIG_WORDS as u64);
                if asks {
                    return same(ask(actor, &Peek { at })?, model.words[at as usize]);
                }
                model.words[at as usize] = value;
                cast(actor, BigMsg::Put(Put { at, word: value }))
            }
        }
    }

    /// Whether actor and model are equal; `None` if the actor was blamed.
    fn is_equal(&self) -> Result<Option<bool>, Error> {
        Ok(match self {
            Subject::Counter(actor, model) => ask(actor, &Get)?.map(|has| Counter { total: has.total, added: has.added } == *model),
            Subject::Echo(actor, model) => ask(actor, &Recall)?.map(|has| (has.answered, has.history) == (model.answered, model.history)),
            Subject::Big(actor, model) => ask(actor, &Digest)?.map(|has| has == model.digest()),
        })
    }
}

/// The answer is the model's, or there is none.
fn same<T: PartialEq + std::fmt::Debug>(answer: Option<T>, expected: T) -> Result<Sent, Error> {
    match answer {
        None => Ok(Sent::Blamed),
        Some(answer) if answer == expected => Ok(Sent::Answered),
        Some(answer) => Err(format!("answered {answer:?} instead of {expected:?}").into()),
    }
}

/// The class of a loss; anything else is no excuse.
fn is_blame(class: FaultClass) -> bool {
    matches!(class, FaultClass::Trap | FaultClass::IllegalAddress | FaultClass::Hang | FaultClass::Worker)
}

/// Asks, as soon as the ring has room; `None` if the actor was blamed.
fn ask<A: Resident + Handles<M>, M: Message>(actor: &GpuRef<A>, request: &M) -> Result<Option<M::Reply>, Error> {
    let mut idle = Idle::new();
    loop {
        match actor.ask(request, PATIENCE) {
            Ok(reply) => return Ok(Some(reply)),
            Err(AskError::Failed(fault)) if is_blame(fault.class) => return Ok(None),
            Err(AskError::Full) => idle.moved(false)?,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Casts, as soon as the ring has room.
fn cast<A: Resident>(actor: &GpuRef<A>, mut message: A::Msg) -> Result<Sent, Error> {
    let mut idle = Idle::new();
    loop {
        match actor.try_cast(message) {
            Ok(()) => return Ok(Sent::Cast),
            Err(CastError::Full(back)) => message = back,
            Err(CastError::Stopped(_)) if actor.fault().is_some_and(|fault| is_blame(fault.class)) => return Ok(Sent::Blamed),
            Err(error) => return Err(format!("{error}; its fault: {:?}", actor.fault()).into()),
        }
        idle.moved(false)?;
    }
}

/// Those that should notice nothing.
struct Crowd<'a, 'r> {
    ours: &'a Ours<'r>,
    system: &'a System,
    random: Random,
    subjects: Vec<Subject>,
    sent: u64,
    answers: u64,
    blamed: u64,
}

impl<'a, 'r> Crowd<'a, 'r> {
    fn new(ours: &'a Ours<'r>, system: &'a System, seed: u64) -> Result<Crowd<'a, 'r>, Error> {
        let mut random = Random(mix(seed, 0));
        let subjects = (0..ACTORS).map(|number| Subject::spawn(ours, system, number, &mut random)).collect::<Result<_, Error>>()?;
        Ok(Crowd { ours, system, random, subjects, sent: 0, answers: 0, blamed: 0 })
    }

    fn send(&mut self, messages: u64) -> Result<(), Error> {
        for _ in 0..messages {
            let number = self.random.below(ACTORS);
            match self.subjects[number as usize].send(&mut self.random)? {
                Sent::Cast => self.sent += 1,
                Sent::Answered => {
                    self.sent += 1;
                    self.answers += 1;
                }
                Sent::Blamed => self.replace(number)?,
            }
        }
        Ok(())
    }

    fn replace(&mut self, number: u64) -> Result<(), Error> {
        self.blamed += 1;
        self.subjects[number as usize] = Subject::spawn(self.ours, self.system, number, &mut self.random)?;
        Ok(())
    }

    /// One fault; messages flow until the shards run again.
    fn strike(&mut self) -> Result<(), Error> {
        let strike = STRIKES[self.random.below(STRIKES.len() as u64) as usize];
        let (system, runtime) = (self.system, self.ours.runtime);
        ready(system)?;
        let before = system.losses().0;
        let how = match strike {
            Strike::Break(how, _) => how,
            Strike::WildWrite => WILD_WRITE,
            Strike::Kill => {
                kill_worker(system)?;
                return self.outlive(before);
            }
            Strike::Panic => {
                let (panicker, _) = runtime.block_on(Panicker::spawn(None, Panicker::default(), system))?;
                panicker.cast(PanickerMsg::Panic(Panic { how: EXPLICIT, value: 0 }))?;
                return self.send(BURST);
            }
        };
        let (breaker, join) = runtime.block_on(Breaker::spawn(None, Breaker::default(), system))?;
        breaker.cast(BreakerMsg::Break(Break { how }))?;
        self.outlive(before)?;
        if let Strike::Break(_, class) = strike {
            runtime.block_on(join)?;
            match breaker.fault() {
                Some(fault) if fault.class == class => {}
                other => return Err(format!("after {strike:?} its actor's fault is {other:?}").into()),
            }
        } else {
            breaker.stop(None);
        }
        Ok(())
    }

    fn outlive(&mut self, before: u64) -> Result<(), Error> {
        self.send(BURST)?;
        noticed(self.system, before)?;
        resumed(self.system, before).map(drop)
    }

    /// How many of those not blamed differ from their models.
    fn compare(&mut self) -> Result<u64, Error> {
        let mut differing = 0;
        for subject in &self.subjects {
            match subject.is_equal()? {
                Some(equal) => {
                    self.answers += 1;
                    differing += u64::from(!equal);
                }
                None => self.blamed += 1,
            }
        }
        Ok(differing)
    }
}
