//! The resident actors of the factory example: a [`Sieve`] counts primes, range by range.
#![no_std]

use resident_kernels::prelude::*;

/// Counts primes, and remembers how many it has found.
#[derive(State, Default, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Sieve {
    /// Ranges so far.
    pub ranges: u64,
    /// Primes in them.
    pub primes: u64,
}

/// Counts the primes of a range.
#[derive(Message, Debug, Clone)]
#[reply(u64)]
#[repr(C)]
pub struct Count {
    /// The first number.
    pub from: u64,
    /// The first number behind the range.
    pub to: u64,
}

/// Whether a number is a prime, by division.
pub fn is_prime(n: u64) -> bool {
    let mut divisor = 2;
    while divisor * divisor <= n {
        if n.is_multiple_of(divisor) {
            return false;
        }
        divisor += 1;
    }
    n > 1
}

#[actor]
impl Sieve {
    fn count(&mut self, msg: &Count, _ctx: &mut Ctx) -> u64 {
        assert!(msg.from <= msg.to, "a range from {} to {}", msg.from, msg.to);
        let primes = (msg.from..msg.to).filter(|n| is_prime(*n)).count() as u64;
        self.ranges += 1;
        self.primes += primes;
        primes
    }
}

resident_kernels::export!(Sieve);
