//! The arithmetic: the same function on host and GPU, of additions, subtractions and multiplications that are rounded one by one.
//! rustc fuses none of them, for either.

use resident_kernels::prelude::*;

/// The square of the Courant number, the speed of the wave in cells a step; this scheme is stable up to a third.
pub const COURANT_SQUARED: f32 = 0.3;

/// A cell's value in the next step (leapfrog in time, seven points in space), of its last, its present and those around it.
#[inline]
pub fn next(before: f32, now: f32, around: [f32; 6]) -> f32 {
    let [west, east, south, north, below, above] = around;
    let bend = ((west + east) + (south + north)) + (below + above) - 6.0 * now;
    (now + now - before) + COURANT_SQUARED * bend
}

/// Squarings that make a bell of a line.
const SQUARINGS: u32 = 4;

/// What the wave begins with, at rest.
#[derive(Plain, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Pulse {
    /// The cell in its middle.
    pub centre: [u32; 3],
    /// How fast it falls off.
    sharpness: f32,
}

impl Pulse {
    /// One cell alone.
    pub fn point(centre: [u32; 3]) -> Pulse {
        Pulse { centre, sharpness: 1.0 }
    }

    /// A Gaussian, exp(-(r / width)^2), as (1 - (r / width)^2 / 16)^16, and nothing beyond four widths.
    pub fn gaussian(centre: [u32; 3], width: f32) -> Pulse {
        Pulse { centre, sharpness: 1.0 / ((1 << SQUARINGS) as f32 * width * width) }
    }

    /// Its value in a cell of the domain.
    #[inline]
    pub fn at(&self, cell: [u32; 3]) -> f32 {
        let mut squared = 0.0;
        for (at, centre) in cell.iter().zip(&self.centre) {
            let distance = at.abs_diff(*centre) as f32;
            squared += distance * distance;
        }
        let mut value = 1.0 - self.sharpness * squared;
        if value <= 0.0 {
            return 0.0;
        }
        for _ in 0..SQUARINGS {
            value *= value;
        }
        value
    }
}
