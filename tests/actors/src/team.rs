//! Actors whose lanes work together: one kind for a warp's, one for a block's.

use resident_kernels::prelude::*;

/// Items of a team's state: no multiple of anything.
pub const TEAM: usize = 1003;

/// Gives item `i` the value `mix(seed, i)`.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Fill {
    /// What they are made of.
    pub seed: u64,
}

/// Gives every item the words in turn.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Paint {
    /// So many that they take several slots.
    pub words: [u64; 50],
}

/// Turns each item into the sum of itself and its two neighbours, around the end.
#[derive(Message, Debug, Clone)]
pub struct Blur;

/// Mixes each item with itself, so often that others come to help.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Grind {
    /// How often.
    pub rounds: u64,
}

/// The same by the handler's own lane, in a loop.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct GrindAlone {
    /// How often.
    pub rounds: u64,
}

/// Turns each item into the sum of all up to it.
#[derive(Message, Debug, Clone)]
pub struct Prefix;

/// Asks for what the items come to.
#[derive(Message, Debug, Clone)]
#[reply(Totals)]
pub struct Total;

/// Answers [`Total`].
#[derive(Reply, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Totals {
    /// The sum.
    pub sum: u64,
    /// The index of the first of the largest items.
    pub largest: u64,
    /// A sum of floats, as bits: rounded in the order in which lanes fold.
    pub rounded: u32,
    /// What no items come to: 0, unless a fold made something of nothing.
    pub empty: u32,
}

/// Has the lane of an item panic; none from the number of items on.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Trip {
    /// Which.
    pub at: u64,
}

/// Gives lanes what is not the actor's.
#[derive(Message, Debug, Clone)]
pub struct Overreach;

/// What item `i` is by [`Fill`].
pub fn filled(seed: u64, i: usize) -> u64 {
    crate::mix(seed, i as u64)
}

/// What becomes of an item by [`Grind`].
pub fn ground(item: u64, rounds: u64) -> u64 {
    (0..rounds).fold(item, crate::mix)
}

/// What an item adds to [`Totals::rounded`].
pub fn float(item: u64) -> f32 {
    (item % 4096) as f32 / 7.0
}

macro_rules! team {
    ($(#[$meta:meta])* $name:ident, $width:ident) => {
        $(#[$meta])*
        #[derive(State, Debug, Clone)]
        #[repr(C)]
        pub struct $name {
            items: [u64; TEAM],
            others: [u64; TEAM],
        }

        impl Default for $name {
            fn default() -> Self {
                $name { items: [0; TEAM], others: [0; TEAM] }
            }
        }

        #[actor(width = $width)]
        impl $name {
            fn fill(&mut self, msg: &Fill, ctx: &mut Ctx) {
                ctx.lanes().each(&mut self.items, msg, |i, item, msg| *item = filled(msg.seed, i));
            }

            fn paint(&mut self, msg: &Paint, ctx: &mut Ctx) {
                ctx.lanes().each(&mut self.items, &msg.words, |i, item, words| *item = words[i % words.len()]);
            }

            fn blur(&mut self, _: &Blur, ctx: &mut Ctx) {
                let mut lanes = ctx.lanes();
                lanes.each(&mut self.others, &self.items, |i, sum, items| {
                    let beside = [items[(i + TEAM - 1) % TEAM], items[(i + 1) % TEAM]];
                    *sum = beside.iter().fold(items[i], |sum, item| sum.wrapping_add(*item));
                });
                lanes.each(&mut self.items, &self.others, |i, item, others| *item = others[i]);
            }

            fn grind(&mut self, msg: &Grind, ctx: &mut Ctx) {
                ctx.lanes().each(&mut self.items, msg, |_, item, msg| *item = ground(*item, msg.rounds));
            }

            fn grind_alone(&mut self, msg: &GrindAlone, _ctx: &mut Ctx) {
                self.items.iter_mut().for_each(|item| *item = ground(*item, msg.rounds));
            }

            fn prefix(&mut self, _: &Prefix, ctx: &mut Ctx) {
                ctx.lanes().scan(&mut self.items, u64::wrapping_add);
            }

            fn total(&mut self, _: &Total, ctx: &mut Ctx) -> Totals {
                let mut lanes = ctx.lanes();
                let sum = lanes.reduce(&self.items, |_, item| *item, u64::wrapping_add);
                let largest = lanes.reduce(&self.items, |i, item| (*item, i), |a, b| if b.0 > a.0 { b } else { a });
                let rounded = lanes.reduce(&self.items, |_, item| float(*item), |a, b| a + b);
                Totals {
                    sum: sum.unwrap_or(0),
                    largest: largest.unwrap_or((0, 0)).1 as u64,
                    rounded: rounded.unwrap_or(0.0).to_bits(),
                    empty: lanes.reduce(&self.items[..0], |_, _| 1, |a, b| a + b).unwrap_or(0),
                }
            }

            fn trip(&mut self, msg: &Trip, ctx: &mut Ctx) {
                let at = msg.at;
                ctx.lanes().each(&mut self.items, &(), move |i, item, ()| {
                    assert!(i as u64 != at, "tripped over {i}");
                    *item += 1;
                });
            }

            fn overreach(&mut self, _: &Overreach, ctx: &mut Ctx) {
                let mut own = [0u32; 8];
                ctx.lanes().each(&mut own, &(), |i, item, ()| *item = i as u32);
                self.items[0] = own.iter().map(|word| u64::from(*word)).sum();
            }
        }
    };
}
team!(
    /// For the lanes of a warp.
    WarpTeam,
    warp
);
team!(
    /// For the lanes of a block.
    BlockTeam,
    block
);
