//! The plain computation: what the actors' values are compared with.

use wave_tile::{SIDES, next};

use crate::domain::Domain;

/// A wave, one cell after another.
pub struct Plain {
    domain: Domain,
    now: Vec<f32>,
    before: Vec<f32>,
}

impl Plain {
    /// The wave at its beginning.
    pub fn new(domain: Domain) -> Plain {
        let value = |cell| domain.pulse.at(Domain::place(cell, domain.size()).map(|at| at as u32));
        let now: Vec<_> = (0..domain.cells()).map(value).collect();
        Plain { domain, before: now.clone(), now }
    }

    /// Takes so many steps.
    pub fn run(&mut self, steps: u32) {
        for _ in 0..steps {
            let size = self.domain.size();
            for z in 0..size {
                for y in 0..size {
                    (0..size).for_each(|x| self.step([x, y, z]));
                }
            }
            std::mem::swap(&mut self.now, &mut self.before);
        }
    }

    /// The next value of a cell, in the place of its last.
    fn step(&mut self, at: [usize; 3]) {
        let Plain { domain, now, before } = self;
        let cell = Domain::number(at, domain.size());
        let beside = |side| domain.beside(at, side, domain.size()).map_or(0.0, |cell| now[cell]);
        before[cell] = next(before[cell], now[cell], std::array::from_fn::<_, SIDES, _>(beside));
    }

    /// Every cell, x first, then y, then z.
    pub fn cells(&self) -> &[f32] {
        &self.now
    }
}
