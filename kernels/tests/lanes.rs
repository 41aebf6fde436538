//! What `Lanes` promises, with a thread for each lane: Miri looks for what two of them would do to the same memory.
#![cfg(feature = "host")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use resident_kernels::host::{self, Calls};
use resident_kernels::lanes::Work;
use resident_kernels::prelude::*;
use resident_kernels::wire::{CtxRaw, MAX_FAULT_TEXT, MAX_PAYLOAD, ROOM_BYTES, RawJob};

const LANES: u32 = 3;

#[repr(align(16))]
struct Room([u8; ROOM_BYTES]);

/// An address that goes to another thread, as the engine's do.
#[derive(Clone, Copy)]
struct At(*mut u8);
// SAFETY: these threads end before what it points to.
unsafe impl Send for At {}

impl At {
    fn get(self) -> *mut u8 {
        self.0
    }
}

unsafe extern "C" fn room(ctx: *mut CtxRaw) -> *mut u8 {
    // SAFETY: `context` has set it, to a room of this test's.
    std::ptr::with_exposed_provenance_mut(unsafe { (*ctx).room } as usize)
}

/// Gives out the items in two turns, as a block's warps would take them.
unsafe extern "C" fn job(ctx: *mut CtxRaw, work: Work, job: *const RawJob) -> u32 {
    // SAFETY: as above, and the job is the handler's.
    let (place, count) = unsafe { (At(room(ctx)), (*job).count) };
    let failed: Vec<Vec<u8>> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                scope.spawn(move || {
                    let mut text = vec![0; MAX_FAULT_TEXT];
                    let run = |begin, end, text: &mut Vec<u8>| {
                        // SAFETY: the job stands there, and each item is one lane's in one turn.
                        unsafe { work(place.get(), begin, end, lane, LANES, text.as_mut_ptr()) }
                    };
                    let first = run(0, count / 2, &mut text);
                    let bytes = if first == 0 { run(count / 2, count, &mut text) } else { first };
                    text.truncate(bytes as usize);
                    text
                })
            })
            .collect();
        lanes.into_iter().map(|lane| lane.join().expect("a lane's panic is caught")).filter(|text| !text.is_empty()).collect()
    });
    let Some(text) = failed.first() else { return 0 };
    // SAFETY: behind the payload there is room for a text.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), place.get().add(MAX_PAYLOAD), text.len()) };
    text.len() as u32
}

fn with_lanes<R>(run: impl FnOnce(&mut Lanes) -> R) -> R {
    host::set_calls(&Calls { job_room: room, job, ..Calls::NONE });
    let mut own = Box::new(Room([0; ROOM_BYTES]));
    let mut raw = CtxRaw { room: own.0.as_mut_ptr().expose_provenance() as u64, ..CtxRaw::NONE };
    // SAFETY: the room lives on until `run` has returned.
    let mut ctx = unsafe { Ctx::new(&mut raw) };
    run(&mut ctx.lanes())
}

#[test]
fn each_item_is_done_once() {
    for count in [0, 1, 2, 7, 64, 200] {
        let mut items = vec![1u32; count];
        let (factor, shared) = (3u32, [5u32; 4]);
        with_lanes(|lanes| lanes.each(&mut items, &shared, move |i, item, shared| *item += factor * i as u32 + shared[i % 4]));
        assert_eq!(items, (0..count as u32).map(|i| 1 + factor * i + 5).collect::<Vec<_>>());
    }
}

#[test]
fn items_are_folded_in_their_order() {
    for count in [0, 1, 3, 4, 5, 63, 257, 1000] {
        let items: Vec<u64> = (0..count).collect();
        // Of two maps x -> ax + b, one after the other: associative, and not commutative.
        let then = |(a, b): (u64, u64), (c, d): (u64, u64)| (a.wrapping_mul(c), b.wrapping_mul(c).wrapping_add(d));
        let map = |i: usize, item: &u64| (2 * item + 1, i as u64);
        let folded = with_lanes(|lanes| lanes.reduce(&items, map, then));
        assert_eq!(folded, items.iter().enumerate().map(|(i, item)| map(i, item)).reduce(then), "{count} items");
    }
    let large = with_lanes(|lanes| lanes.reduce(&[1u32, 2, 3, 4, 5, 6, 7, 8, 9], |_, item| [*item; 100], |a, b| a.map(|a| a + b[0])));
    assert_eq!(large, Some([45; 100]), "so large that there is room for two of them");
    assert_eq!(with_lanes(|lanes| lanes.reduce(&[(); 9], |_, ()| (), |(), ()| ())), Some(()));
}

#[test]
fn a_scan_is_all_up_to_each() {
    for count in [0, 1, 4, 5, 100, 1001] {
        let mut items: Vec<[u64; 2]> = (0..count).map(|i| [2 * i + 1, i]).collect();
        let then = |a: [u64; 2], b: [u64; 2]| [a[0].wrapping_mul(b[0]), a[1].wrapping_mul(b[0]).wrapping_add(b[1])];
        let mut expected = items.clone();
        for at in 1..expected.len() {
            expected[at] = then(expected[at - 1], expected[at]);
        }
        with_lanes(|lanes| lanes.scan(&mut items, then));
        assert_eq!(items, expected);
    }
}

#[test]
fn a_panic_of_a_lane_is_the_handlers() {
    let mut items = [0u32; 50];
    let all = AssertUnwindSafe(|| with_lanes(|lanes| lanes.each(&mut items, &(), |i, _, ()| assert!(i != 30, "no {i}"))));
    let panic = catch_unwind(all).expect_err("a lane has panicked");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"a lane panicked"));
}
