//! Hybrid logical clocks: 64-bit stamps that order messages of host and device.
//!
//! A stamp is microseconds since the Unix epoch in the upper 52 bits and a logical count in the lower 12
//! (Kulkarni, Demirbas, Madappa, Avva, Leone: *Logical Physical Clocks*, OPODIS 2014). The same functions run
//! on host and device; they read no clock, `now` is passed in. A count that overflows carries into the
//! microseconds, so a stamp is always greater than the one before, also when the clock stands or steps back.
//!
//! ```
//! use resident_kernels::clock;
//! let sent = clock::tick(0, 1_000);
//! let received = clock::merge(clock::stamp(990, 3), sent, 995); // a receiver whose clock is behind
//! assert!(received > sent);
//! assert_eq!(clock::micros(received), 1_000);
//! ```

/// Bits of the logical count.
pub const LOGICAL_BITS: u32 = 12;

/// The stamp of `micros` since the Unix epoch with logical count `logical`.
pub const fn stamp(micros: u64, logical: u16) -> u64 {
    micros << LOGICAL_BITS | (logical as u64 & ((1 << LOGICAL_BITS) - 1))
}

/// The physical part of a stamp, in microseconds since the Unix epoch.
pub const fn micros(stamp: u64) -> u64 {
    stamp >> LOGICAL_BITS
}

/// The logical part of a stamp.
pub const fn logical(stamp: u64) -> u16 {
    (stamp & ((1 << LOGICAL_BITS) - 1)) as u16
}

/// The stamp of a send or local event at `now` microseconds, after `last`.
pub const fn tick(last: u64, now: u64) -> u64 {
    let physical = now << LOGICAL_BITS;
    if physical > last { physical } else { last + 1 }
}

/// The stamp of receiving a message stamped `remote` at `now` microseconds, after `last`.
pub const fn merge(last: u64, remote: u64, now: u64) -> u64 {
    tick(if remote > last { remote } else { last }, now)
}
