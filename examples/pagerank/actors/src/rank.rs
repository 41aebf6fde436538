//! Ranks as whole numbers: a sum of them is the same in whatever order messages come.

use resident_kernels::prelude::*;

/// The rank of all vertices together, in units of 2^-62. Whatever is divided is rounded down, so no sum is larger.
pub const ONE: u64 = 1 << 62;

/// How much of its rank a vertex gives to those that it points to; the rest goes to all vertices alike.
#[derive(Plain, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Damping {
    /// In units of 2^-32.
    parts: u32,
}

const UNITS: f64 = (1u64 << 32) as f64;

impl Damping {
    /// Of a fraction from 0 on and below 1.
    pub fn new(fraction: f64) -> Option<Damping> {
        (0.0..1.0).contains(&fraction).then_some(Damping { parts: (fraction * UNITS) as u32 })
    }

    /// That much of a rank.
    #[inline]
    pub fn of(self, rank: u64) -> u64 {
        ((u128::from(rank) * u128::from(self.parts)) >> 32) as u64
    }
}

/// What every one of so many vertices gets in a round beside what comes along its edges: its part of what is not given along edges, and of
/// what is given by `dangling`, the ranks of all vertices that have none.
#[inline]
pub fn gift(vertices: u64, damping: Damping, dangling: u64) -> u64 {
    (ONE - damping.of(ONE) + damping.of(dangling)) / vertices
}
