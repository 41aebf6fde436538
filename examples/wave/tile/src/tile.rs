//! A tile: it takes a step as soon as it has the faces of all its neighbours for it.

use resident_kernels::prelude::*;

use crate::cube::{CELLS, FACE, SIDES, around, face, place};
use crate::wave::{Pulse, next};

/// A tile of the domain.
///
/// A neighbour may be one step ahead, since it waits for this one's faces in its turn. So there are two of everything that belongs to a
/// step, and an even step has the first.
#[derive(State, Clone, Debug)]
#[repr(C)]
pub struct Tile {
    /// The present values, and the last ones, in whose place the next ones come.
    fields: [Field; 2],
    neighbours: [Address<Tile>; SIDES],
    /// Sides whose face has come, as bits.
    arrived: [u32; 2],
    /// Sides with a neighbour, as bits.
    wanted: u32,
    /// Steps taken.
    step: u32,
    /// Steps to take.
    until: u32,
}

/// The values of a step.
#[derive(Plain, Clone, Copy, Debug)]
#[repr(C)]
struct Field {
    cells: [f32; CELLS],
    /// What lies beyond the sides; zeros at a wall.
    halo: [[f32; FACE]; SIDES],
}

/// Puts a tile in its place, with the wave at its beginning.
#[derive(Message, Clone, Copy, Debug)]
#[repr(C)]
pub struct Start {
    /// By side; nobody at a wall.
    pub neighbours: [Address<Tile>; SIDES],
    /// The domain's coordinates of its first cell.
    pub corner: [u32; 3],
    /// What the wave begins with.
    pub pulse: Pulse,
}

/// Has a tile take steps until it has taken so many.
#[derive(Message, Clone, Copy, Debug)]
#[repr(C)]
pub struct Run {
    /// Counted from the start.
    pub until: u32,
}

/// A neighbour's cells at a side.
#[derive(Message, Clone, Copy, Debug)]
#[repr(C)]
pub struct Face {
    /// The side of the receiver.
    pub side: u32,
    /// Steps that the sender has taken.
    pub step: u32,
    /// The cells.
    pub cells: [f32; FACE],
}

/// Asks how many steps a tile has taken.
#[derive(Message, Clone, Copy, Debug)]
#[reply(u32)]
pub struct Steps;

/// Asks for a layer of a tile, x first.
#[derive(Message, Clone, Copy, Debug)]
#[reply([f32; FACE])]
#[repr(C)]
pub struct Look {
    /// Which, along z.
    pub layer: u32,
}

impl Tile {
    /// A tile that has still to [`Start`].
    pub const EMPTY: Tile = Tile {
        fields: [Field { cells: [0.0; CELLS], halo: [[0.0; FACE]; SIDES] }; 2],
        neighbours: [Address::NOBODY; SIDES],
        arrived: [0; 2],
        wanted: 0,
        step: 0,
        until: 0,
    };
}

#[actor(width = warp)]
impl Tile {
    /// A neighbour's face may have come before.
    fn start(&mut self, msg: &Start, ctx: &mut Ctx) {
        self.neighbours = msg.neighbours;
        for (side, neighbour) in msg.neighbours.iter().enumerate() {
            self.wanted |= u32::from(!neighbour.is_nobody()) << side;
        }
        // At rest: the same a step before.
        for field in &mut self.fields {
            ctx.lanes().each(&mut field.cells, msg, |at, cell, msg| {
                let within = place(at);
                *cell = msg.pulse.at(core::array::from_fn(|axis| msg.corner[axis] + within[axis] as u32));
            });
        }
    }

    fn run(&mut self, msg: &Run, ctx: &mut Ctx) {
        let stood = self.step >= self.until;
        self.until = msg.until;
        if stood && self.step < self.until {
            self.send_faces(ctx);
        }
        self.settle(ctx);
    }

    fn face(&mut self, msg: &Face, ctx: &mut Ctx) {
        let which = (msg.step % 2) as usize;
        let side = 1 << msg.side;
        if msg.step.wrapping_sub(self.step) > 1 || self.arrived[which] & side != 0 {
            return ctx.fail(format_args!("a face of step {} came to side {} in step {}", msg.step, msg.side, self.step));
        }
        self.fields[which].halo[msg.side as usize] = msg.cells;
        self.arrived[which] |= side;
        self.settle(ctx);
    }

    fn steps(&mut self, _: &Steps, _ctx: &mut Ctx) -> u32 {
        self.step
    }

    fn look(&mut self, msg: &Look, _ctx: &mut Ctx) -> [f32; FACE] {
        let cells = &self.fields[(self.step % 2) as usize].cells;
        core::array::from_fn(|at| cells[msg.layer as usize * FACE + at])
    }
}

impl Tile {
    /// Takes a step if everything for it is there. For the one after it not all can be there by then: whose face came last has sent
    /// nothing before it.
    fn settle(&mut self, ctx: &mut Ctx) {
        let which = (self.step % 2) as usize;
        if self.step >= self.until || self.arrived[which] != self.wanted {
            return;
        }
        self.take_step(which, &mut ctx.lanes());
        self.arrived[which] = 0;
        self.step += 1;
        if self.step == self.until {
            return;
        }
        self.send_faces(ctx);
        if self.wanted == 0 {
            // Nobody will wake it; and a handler does not run for long.
            let me = ctx.address::<Self>();
            ctx.send(&me, Run { until: self.until });
        }
    }

    /// Each lane takes some of the cells.
    fn take_step(&mut self, which: usize, lanes: &mut Lanes) {
        let [even, odd] = &mut self.fields;
        let (now, last) = if which == 0 { (even, odd) } else { (odd, even) };
        lanes.each(&mut last.cells, now, |at, cell, now| *cell = next(*cell, now.cells[at], around(&now.cells, &now.halo, place(at))));
    }

    /// To every neighbour the cells that it borders on.
    fn send_faces(&self, ctx: &mut Ctx) {
        let cells = &self.fields[(self.step % 2) as usize].cells;
        for (side, neighbour) in self.neighbours.iter().enumerate() {
            if !neighbour.is_nobody() {
                ctx.send(neighbour, Face { side: side as u32 ^ 1, step: self.step, cells: face(cells, side) });
            }
        }
    }
}
