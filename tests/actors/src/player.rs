//! Sends to others of its kind, on the device.

use core::hint::black_box;
use core::time::Duration;

use resident_kernels::prelude::*;

/// Senders that a player tells apart.
pub const SENDERS: usize = 8;
/// Messages of a [`Juggle`].
pub const IN_HAND: u64 = 8;
/// Words of a message that takes several slots.
pub const HEAVY_WORDS: usize = 100;

/// A player: whom it sends to, and what it was sent.
#[derive(State, Default, Debug, Clone)]
#[repr(C)]
pub struct Player {
    /// Whom it sends to.
    pub next: Address<Player>,
    /// Balls that it has had.
    pub balls: u64,
    /// Those that it kept, since they were not to go on.
    pub kept: u64,
    /// Numbers that came.
    pub numbers: u64,
    /// The next number from each sender.
    pub expected: [u64; SENDERS],
    /// Numbers that came out of order, or not as they were sent.
    pub wrong: u64,
    /// Answers that came, and their sum.
    pub answers: u64,
    /// See `answers`.
    pub sum: u64,
}

/// From here on it sends to `next`.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Meet {
    /// Whom.
    pub next: Address<Player>,
}

/// Goes on to the next player until it has no hops left.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Ball {
    /// How often it is still to go on.
    pub hops: u64,
}

/// Sends numbered messages to the next player, all in one handler: every `heavy`th of several slots.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Serve {
    /// Which sender this is.
    pub sender: u32,
    /// How many messages.
    pub count: u32,
    /// Every so many is of several slots; 0 for none.
    pub heavy: u32,
    /// Panics behind them if not 0.
    pub panic: u32,
}

/// Sends [`IN_HAND`] numbered messages to the next player, and is not done for long.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Juggle {
    /// The first number.
    pub first: u64,
    /// What takes so long: steps that add nothing.
    pub rounds: u64,
}

/// A numbered message.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Light {
    /// Whose.
    pub sender: u32,
    /// Zero.
    pub pad: u32,
    /// Which one.
    pub number: u64,
}

/// A numbered message of several slots.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Heavy {
    /// Whose.
    pub sender: u32,
    /// Zero.
    pub pad: u32,
    /// Which one, in each word.
    pub words: [u64; HEAVY_WORDS],
}

/// Asks the next player to double a number; the answer comes as a message.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Wonder {
    /// The number.
    pub number: u64,
}

/// Asks for twice the number.
#[derive(Message, Debug, Clone)]
#[reply(Doubled)]
#[repr(C)]
pub struct Double {
    /// The number.
    pub number: u64,
}

/// Twice a number.
#[derive(Message, Debug, Clone)]
#[also(Reply)]
#[repr(C)]
pub struct Doubled {
    /// It.
    pub number: u64,
}

/// Sends a ball to wherever these words point.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Guess {
    /// An address, as bytes.
    pub words: [u32; 4],
}

/// Sends itself numbered messages, each with a ball behind it to wherever these words point, and then numbered ones to the next player.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Scatter {
    /// An address, as bytes.
    pub words: [u32; 4],
    /// Which sender this is.
    pub sender: u32,
    /// How many messages to itself, and how many balls.
    pub balls: u32,
    /// How many messages to the next player.
    pub count: u32,
}

/// Sends a ball to itself after a time.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Throw {
    /// Milliseconds.
    pub millis: u64,
    /// See [`Ball`].
    pub hops: u64,
}

/// Ends it, once this is answered.
#[derive(Message, Debug, Clone)]
#[reply(u64)]
pub struct Leave;

/// Asks what it has had.
#[derive(Message, Debug, Clone)]
#[reply(Score)]
pub struct Show;

/// What a player has had.
#[derive(Reply, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Score {
    /// See [`Player`].
    pub balls: u64,
    /// See [`Player`].
    pub kept: u64,
    /// See [`Player`].
    pub numbers: u64,
    /// See [`Player`].
    pub expected: [u64; SENDERS],
    /// See [`Player`].
    pub wrong: u64,
    /// See [`Player`].
    pub answers: u64,
    /// See [`Player`].
    pub sum: u64,
}

#[actor]
impl Player {
    fn meet(&mut self, msg: &Meet, _ctx: &mut Ctx) {
        self.next = msg.next;
    }

    fn ball(&mut self, msg: &Ball, ctx: &mut Ctx) {
        self.balls += 1;
        match msg.hops.checked_sub(1) {
            Some(hops) => ctx.send(&self.next, Ball { hops }),
            None => self.kept += 1,
        }
    }

    fn serve(&mut self, msg: &Serve, ctx: &mut Ctx) {
        for number in 0..u64::from(msg.count) {
            if msg.heavy != 0 && number.is_multiple_of(msg.heavy.into()) {
                ctx.send(&self.next, Heavy { sender: msg.sender, pad: 0, words: [number; HEAVY_WORDS] });
            } else {
                ctx.send(&self.next, Light { sender: msg.sender, pad: 0, number });
            }
        }
        assert!(msg.panic == 0, "a player drops its racket");
    }

    fn juggle(&mut self, msg: &Juggle, ctx: &mut Ctx) {
        for number in msg.first..msg.first + IN_HAND {
            ctx.send(&self.next, Light { sender: 0, pad: 0, number });
        }
        for round in 0..msg.rounds {
            black_box(round);
        }
    }

    fn light(&mut self, msg: &Light, _ctx: &mut Ctx) {
        self.take(msg.sender, msg.number);
    }

    fn heavy(&mut self, msg: &Heavy, _ctx: &mut Ctx) {
        let number = msg.words[0];
        if msg.words.iter().any(|word| *word != number) {
            self.wrong += 1;
        }
        self.take(msg.sender, number);
    }

    fn wonder(&mut self, msg: &Wonder, ctx: &mut Ctx) {
        let me = ctx.address::<Self>();
        ctx.ask(&self.next, Double { number: msg.number }, &me);
    }

    fn double(&mut self, msg: &Double, _ctx: &mut Ctx) -> Doubled {
        Doubled { number: 2 * msg.number }
    }

    fn doubled(&mut self, msg: &Doubled, _ctx: &mut Ctx) {
        self.answers += 1;
        self.sum += msg.number;
    }

    fn guess(&mut self, msg: &Guess, ctx: &mut Ctx) {
        ctx.send(&at(&msg.words), Ball { hops: 0 });
    }

    fn throw(&mut self, msg: &Throw, ctx: &mut Ctx) {
        let me = ctx.address::<Self>();
        ctx.send_after(Duration::from_millis(msg.millis), &me, Ball { hops: msg.hops });
    }

    fn leave(&mut self, _: &Leave, ctx: &mut Ctx) -> u64 {
        ctx.stop_self();
        self.balls
    }

    fn scatter(&mut self, msg: &Scatter, ctx: &mut Ctx) {
        let (me, nobody) = (ctx.address::<Self>(), at(&msg.words));
        for number in 0..u64::from(msg.balls) {
            ctx.send(&me, Light { sender: msg.sender, pad: 0, number });
            ctx.send(&nobody, Ball { hops: 0 });
        }
        for number in 0..u64::from(msg.count) {
            ctx.send(&self.next, Light { sender: msg.sender, pad: 0, number });
        }
    }

    fn show(&mut self, _: &Show, _ctx: &mut Ctx) -> Score {
        let Player { balls, kept, numbers, expected, wrong, answers, sum, .. } = *self;
        Score { balls, kept, numbers, expected, wrong, answers, sum }
    }
}

/// The address that these words are.
fn at(words: &[u32; 4]) -> Address<Player> {
    let mut bytes = [0; 16];
    words.encode(&mut bytes);
    Address::decode(&bytes)
}

impl Player {
    fn take(&mut self, sender: u32, number: u64) {
        self.numbers += 1;
        let expected = &mut self.expected[sender as usize];
        if *expected != number {
            self.wrong += 1;
        }
        *expected = number + 1;
    }
}
