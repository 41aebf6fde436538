//! The stencil that tiles and a bare kernel compute, and what has to come of it: the wave of the example `wave`.

use crate::rounds::{Error, Record};
use std::time::Duration;
use wave::{Domain, Plain, Walls};
use wave_tile::Pulse;

/// A wave, and how it ends by the CPU.
pub struct Wave {
    /// Where it is.
    pub domain: Domain,
    /// Steps that it takes.
    pub steps: u32,
    /// Every cell at the beginning.
    pub begin: Vec<f32>,
    end: Vec<f32>,
}

impl Wave {
    /// In a cube of so many tiles along each edge.
    pub fn new(tiles: usize, steps: u32) -> Wave {
        let size = (tiles * wave_tile::EDGE) as u32;
        let pulse = Pulse::gaussian([size / 3, size * 2 / 5, size / 2], size as f32 / 16.0);
        let domain = Domain { tiles, walls: Walls::Fixed, pulse };
        let mut plain = Plain::new(domain);
        let begin = plain.cells().to_vec();
        plain.run(steps);
        Wave { domain, steps, begin, end: plain.cells().to_vec() }
    }

    /// Records the cells a second that `name` has stepped, if every cell is the CPU's.
    pub fn stepped(&self, name: &str, took: Duration, cells: &[f32], record: &mut Record) -> Result<(), Error> {
        let wrong = cells.iter().zip(&self.end).filter(|(cell, end)| cell.to_bits() != end.to_bits()).count();
        if wrong != 0 || cells.len() != self.end.len() {
            return Err(format!("{wrong} of {} cells are not the CPU's after {} steps", self.end.len(), self.steps).into());
        }
        record.rate(name, cells.len() as f64 * f64::from(self.steps) / took.as_secs_f64());
        record.checked(name, cells.len() as u64);
        Ok(())
    }
}
