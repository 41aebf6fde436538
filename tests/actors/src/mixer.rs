//! Sends to others at random, on the device: a state of 64 bytes.

use resident_kernels::prelude::*;

/// Others that a mixer knows.
pub const OTHERS: usize = 3;

/// One of many among whom balls go at random.
#[derive(State, Default, Debug, Clone)]
#[repr(C)]
pub struct Mixer {
    /// Whom it sends to.
    pub others: [Address<Mixer>; OTHERS],
    /// Balls that it has had.
    pub balls: u64,
    /// Those that it kept, since they were not to go on.
    pub kept: u64,
}

/// From here on it sends to these.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Mix {
    /// Whom.
    pub others: [Address<Mixer>; OTHERS],
}

/// Goes on to one of the others until it has no hops left.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Toss {
    /// How often it is still to go on.
    pub hops: u64,
}

/// Asks for what it has had.
#[derive(Message, Debug, Clone)]
#[reply(Tosses)]
pub struct Tally;

/// What a mixer has had.
#[derive(Reply, Debug, Clone)]
#[repr(C)]
pub struct Tosses {
    /// Balls.
    pub balls: u64,
    /// Of these, those that it kept.
    pub kept: u64,
}

#[actor]
impl Mixer {
    fn mix(&mut self, msg: &Mix, _ctx: &mut Ctx) {
        self.others = msg.others;
    }

    fn toss(&mut self, msg: &Toss, ctx: &mut Ctx) {
        self.balls += 1;
        let Some(hops) = msg.hops.checked_sub(1) else {
            self.kept += 1;
            return;
        };
        // Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4): the upper half of the product is as good as drawn.
        let drawn = ((hops ^ self.balls) as u32).wrapping_mul(0x9e37_79b1) >> 16;
        ctx.send(&self.others[drawn as usize % OTHERS], Toss { hops });
    }

    fn tally(&mut self, _: &Tally, _ctx: &mut Ctx) -> Tosses {
        Tosses { balls: self.balls, kept: self.kept }
    }
}
