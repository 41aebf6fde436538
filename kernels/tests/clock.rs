//! The hybrid logical clock under any steps of the clock beneath it.

use proptest::prelude::*;
use resident_kernels::clock::{LOGICAL_BITS, logical, merge, micros, stamp, tick};

/// Microseconds that a stamp holds, with room for the counts of a test.
const LATEST: u64 = (1 << (64 - LOGICAL_BITS)) - 10_000;

fn now() -> impl Strategy<Value = u64> {
    prop_oneof![0..LATEST, 0..10u64, Just(1_700_000_000_000_000)]
}

fn stamps() -> impl Strategy<Value = u64> {
    0..stamp(LATEST, 0)
}

proptest! {
    #[test]
    fn a_stamp_is_its_parts(at in 0..LATEST, count in 0u16..1 << LOGICAL_BITS) {
        prop_assert_eq!(micros(stamp(at, count)), at);
        prop_assert_eq!(logical(stamp(at, count)), count);
    }

    #[test]
    fn stamps_rise_however_the_clock_steps(start in stamps(), steps in proptest::collection::vec(now(), 1..200)) {
        let mut last = start;
        for now in steps {
            let next = tick(last, now);
            prop_assert!(next > last);
            prop_assert!(micros(next) >= now, "a stamp is never behind its clock");
            last = next;
        }
    }

    #[test]
    fn a_received_stamp_is_after_both(last in stamps(), remote in stamps(), now in now()) {
        let next = merge(last, remote, now);
        prop_assert!(next > last && next > remote);
        prop_assert!(micros(next) >= now);
    }

    #[test]
    fn a_stamp_stays_as_close_to_the_clock_as_it_may(last in stamps(), remote in stamps(), now in now()) {
        let latest = last.max(remote);
        let expected = if now > micros(latest) { stamp(now, 0) } else { latest + 1 };
        // The clock's microsecond with a count of 0 is after every earlier microsecond, and only after those.
        prop_assert_eq!(merge(last, remote, now), expected);
    }

    #[test]
    fn what_two_sides_tell_each_other_is_in_order(
        steps in proptest::collection::vec((any::<bool>(), now(), now()), 1..100),
    ) {
        let mut clocks = [0u64; 2];
        for (from, sender_now, receiver_now) in steps {
            let (from, to) = (usize::from(from), usize::from(!from));
            let sent = tick(clocks[from], sender_now);
            clocks[from] = sent;
            let received = merge(clocks[to], sent, receiver_now);
            prop_assert!(received > sent && received > clocks[to]);
            clocks[to] = received;
        }
    }
}

#[test]
fn a_full_count_carries_into_the_microseconds() {
    let full = stamp(7, (1 << LOGICAL_BITS) - 1);
    assert_eq!(tick(full, 7), stamp(8, 0));
}
