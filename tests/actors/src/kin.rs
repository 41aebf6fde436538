//! Finds others by their names, links itself to them, and spawns them.

use core::time::Duration;

use resident_kernels::prelude::*;

use crate::{Breaker, Player};

/// Bytes of a name that is scanned up.
pub const NAME_BYTES: usize = 40;

/// One that knows others.
#[derive(State, Default, Debug, Clone)]
#[repr(C)]
pub struct Kin {
    /// Messages that it has handled.
    pub handled: u64,
    /// Those that it has spawned, and words that came from them.
    pub born: u64,
    /// See `born`.
    pub told: u64,
    /// Who has spawned it.
    pub parent: Address<Kin>,
    /// The last one that it has spawned.
    pub last: Address<Kin>,
}

/// One of a kind that is not exported.
#[derive(State, Default, Debug, Clone)]
#[repr(C)]
pub struct Stray {
    /// Nothing.
    pub none: u64,
}

/// Looks a name up.
#[derive(Message, Debug, Clone)]
#[reply(Found)]
#[repr(C)]
pub struct Find {
    /// The name.
    pub name: [u8; NAME_BYTES],
    /// Its bytes.
    pub bytes: u32,
    /// As that of a [`Player`] if not 0, else of a [`Kin`].
    pub player: u32,
}

impl Find {
    /// Looks a kin of this name up.
    pub fn kin(name: &str) -> Find {
        let mut find = Find { name: [0; NAME_BYTES], bytes: name.len() as u32, player: 0 };
        find.name[..name.len()].copy_from_slice(name.as_bytes());
        find
    }

    /// The same, of a player.
    pub fn player(name: &str) -> Find {
        Find { player: 1, ..Find::kin(name) }
    }
}

/// Who was found.
#[derive(Reply, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Found {
    /// Its address, as one of no kind; nobody's if nobody was found.
    pub address: Address,
}

/// Looks a name up again and again, and counts what was found.
#[derive(Message, Debug, Clone)]
#[reply(Scanned)]
#[repr(C)]
pub struct Scan {
    /// The name.
    pub find: Find,
    /// How often.
    pub times: u32,
}

/// What was found of a name.
#[derive(Reply, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Scanned {
    /// How often somebody was there.
    pub found: u32,
    /// The highest row, generation and shard that was said.
    pub most: [u32; 3],
}

/// Links itself to somebody.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Tie {
    /// Whom.
    pub to: Address<Kin>,
}

/// The same, to a breaker.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct TieBreaker {
    /// Whom.
    pub to: Address<Breaker>,
}

/// Undoes a link.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Untie {
    /// To whom.
    pub to: Address<Kin>,
}

/// Spawns others, and has each say a word.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Bear {
    /// How many.
    pub count: u32,
    /// If not 0 it links itself to each.
    pub tie: u32,
    /// If not 0 each ends behind its word.
    pub end: u32,
    /// If 1 it panics behind all of it, if 2 it traps.
    pub panic: u32,
}

/// The same of many, as far as there are places, and the rest later.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Sow {
    /// How many.
    pub more: u64,
    /// See [`Bear`].
    pub end: u64,
}

/// Spawns two of which each does the same, so many times over; the last ones say a word to the first.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Branch {
    /// To whom.
    pub root: Address<Kin>,
    /// How many times.
    pub depth: u64,
}

/// Spawns a player, or one of a kind that is not exported, and panics if it is born.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Misbear {
    /// 0 for a player, which is too large where the places have less than its bytes.
    pub stray: u32,
}

/// Says a word to who has spawned it.
#[derive(Message, Debug, Clone)]
#[repr(C)]
pub struct Cry {
    /// If not 0 it ends.
    pub end: u32,
}

/// A word.
#[derive(Message, Debug, Clone)]
pub struct Word;

/// Panics where the last one is that it has spawned.
#[derive(Message, Debug, Clone)]
pub struct Strike;

/// Asks whom it has spawned.
#[derive(Message, Debug, Clone)]
#[reply(Kids)]
pub struct Family;

/// Whom one has spawned.
#[derive(Reply, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Kids {
    /// See [`Kin`].
    pub born: u64,
    /// See [`Kin`].
    pub told: u64,
    /// See [`Kin`].
    pub last: Address<Kin>,
}

/// Panics.
#[derive(Message, Debug, Clone)]
pub struct Stumble;

/// Ends itself.
#[derive(Message, Debug, Clone)]
pub struct Depart;

/// Asks how many messages it has handled.
#[derive(Message, Debug, Clone)]
#[reply(u64)]
pub struct Greet;

#[actor]
impl Kin {
    fn find(&mut self, msg: &Find, ctx: &mut Ctx) -> Found {
        self.handled += 1;
        Found { address: lookup(msg, ctx) }
    }

    fn scan(&mut self, msg: &Scan, ctx: &mut Ctx) -> Scanned {
        self.handled += 1;
        let mut scanned = Scanned { found: 0, most: [0; 3] };
        for _ in 0..msg.times {
            let address = lookup(&msg.find, ctx);
            if !address.is_nobody() {
                scanned.found += 1;
                let words = [address.row(), address.generation(), address.shard()];
                for (most, word) in scanned.most.iter_mut().zip(words) {
                    *most = word.max(*most);
                }
            }
        }
        scanned
    }

    fn tie(&mut self, msg: &Tie, ctx: &mut Ctx) {
        self.handled += 1;
        ctx.link(&msg.to);
    }

    fn tie_breaker(&mut self, msg: &TieBreaker, ctx: &mut Ctx) {
        self.handled += 1;
        ctx.link(&msg.to);
    }

    fn untie(&mut self, msg: &Untie, ctx: &mut Ctx) {
        self.handled += 1;
        ctx.unlink(&msg.to);
    }

    fn bear(&mut self, msg: &Bear, ctx: &mut Ctx) {
        self.handled += 1;
        let parent = ctx.address::<Self>();
        for _ in 0..msg.count {
            let child = ctx.spawn(Kin { parent, ..Kin::default() });
            if child.is_nobody() {
                return;
            }
            self.born += 1;
            self.last = child;
            if msg.tie != 0 {
                ctx.link(&child);
            }
            ctx.send(&child, Cry { end: msg.end });
        }
        match msg.panic {
            0 => {}
            1 => panic!("the cradle falls"),
            _ => crate::breaker::trap(),
        }
    }

    fn sow(&mut self, msg: &Sow, ctx: &mut Ctx) {
        let me = ctx.address::<Self>();
        for more in (0..msg.more).rev() {
            let Ok(child) = ctx.try_spawn(Kin { parent: me, ..Kin::default() }) else {
                ctx.send_after(Duration::ZERO, &me, Sow { more: more + 1, end: msg.end });
                return;
            };
            self.born += 1;
            ctx.send(&child, Cry { end: msg.end as u32 });
        }
    }

    fn branch(&mut self, msg: &Branch, ctx: &mut Ctx) {
        let Some(depth) = msg.depth.checked_sub(1) else {
            ctx.send(&msg.root, Word);
            return ctx.stop_self();
        };
        let me = ctx.address::<Self>();
        match (ctx.try_spawn(Kin::default()), ctx.try_spawn(Kin::default())) {
            (Ok(one), Ok(two)) => {
                ctx.send(&one, Branch { root: msg.root, depth });
                ctx.send(&two, Branch { root: msg.root, depth });
                // The first one stays.
                if me != msg.root {
                    ctx.stop_self();
                }
            }
            (one, two) => {
                for child in [one, two].into_iter().flatten() {
                    ctx.send(&child, Depart);
                }
                ctx.send_after(Duration::ZERO, &me, Branch { root: msg.root, depth: msg.depth });
            }
        }
    }

    fn misbear(&mut self, msg: &Misbear, ctx: &mut Ctx) {
        let born = match msg.stray {
            0 => ctx.spawn(Player::default()).is_nobody(),
            _ => ctx.try_spawn(Stray::default()).is_err(),
        };
        assert!(born, "it was born");
        // Whoever has failed spawns nobody, and sends nothing.
        if ctx.try_spawn(Kin::default()).is_ok() {
            self.born += 1;
        }
    }

    fn cry(&mut self, msg: &Cry, ctx: &mut Ctx) {
        self.handled += 1;
        ctx.send(&self.parent, Word);
        if msg.end != 0 {
            ctx.stop_self();
        }
    }

    fn word(&mut self, _: &Word, _ctx: &mut Ctx) {
        self.told += 1;
    }

    fn strike(&mut self, _: &Strike, ctx: &mut Ctx) {
        ctx.send(&self.last, Stumble);
    }

    fn family(&mut self, _: &Family, _ctx: &mut Ctx) -> Kids {
        Kids { born: self.born, told: self.told, last: self.last }
    }

    fn stumble(&mut self, _: &Stumble, _ctx: &mut Ctx) {
        panic!("a stone lay there");
    }

    fn depart(&mut self, _: &Depart, ctx: &mut Ctx) {
        ctx.stop_self();
    }

    fn greet(&mut self, _: &Greet, _ctx: &mut Ctx) -> u64 {
        self.handled += 1;
        self.handled
    }
}

#[actor]
impl Stray {
    fn word(&mut self, _: &Word, _ctx: &mut Ctx) {}
}

fn lookup(find: &Find, ctx: &mut Ctx) -> Address {
    let name = find.name.get(..find.bytes as usize).and_then(|name| core::str::from_utf8(name).ok()).unwrap_or_default();
    let mut bytes = [0; size_of::<Address>()];
    match find.player {
        0 => ctx.lookup::<Kin>(name).unwrap_or_default().encode(&mut bytes),
        _ => ctx.lookup::<Player>(name).unwrap_or_default().encode(&mut bytes),
    }
    Address::decode(&bytes)
}
