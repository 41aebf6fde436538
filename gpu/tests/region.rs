//! Regions: what is made can be opened and talked through by another mapping; what is no region is refused by name.
#![cfg(all(not(loom), not(miri)))]

use resident_gpu::region::{Geometry, MAX_ARENA_BYTES, Region, RegionError, draw_system};
use resident_gpu::ring::Frame;
use resident_kernels::wire::{DEVICE_BITS, FINGERPRINT, OP_CALL, OP_REPLY, REGION_MAGIC, RegionHeader};
use rustix::fs::{MemfdFlags, SealFlags};
use std::mem::offset_of;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const GEOMETRY: Geometry =
    Geometry { shards: 3, capacity: 64, rows: 10, reply_lines: 100, arena_bytes: 1 << 20, names: 32, nursery: 0, inbox: 0 };

fn fd(region: &Region) -> OwnedFd {
    region.fd().unwrap().try_clone_to_owned().unwrap()
}

/// A header word as 64 bits; for a 32-bit field, with its neighbour.
fn word(region: &Region, offset: usize) -> &AtomicU64 {
    // SAFETY: the offset is within the header, whose words are all atomics.
    unsafe { region.base().add(offset).cast().as_ref() }
}

#[test]
fn two_mappings_talk() {
    let host = Region::create(&GEOMETRY).unwrap();
    let engine = Region::open(fd(&host)).unwrap();
    assert_eq!((engine.geometry(), engine.len()), (GEOMETRY, host.len()));
    assert_ne!(engine.base(), host.base());
    for shard in 0..GEOMETRY.shards {
        let (mut to, mut from) = host.host_ports(shard).unwrap();
        let (mut back, mut at) = engine.engine_ports(shard).unwrap();
        let call = Frame { op: OP_CALL, row: shard, payload: &[9; 200], ..Frame::default() };
        to.push(&call).unwrap();
        assert_eq!(at.pop(), Ok(Some(call)));
        assert_eq!(at.pop(), Ok(None));
        assert!(to.is_empty());
        let reply = Frame { op: OP_REPLY, ..call };
        back.push(&reply).unwrap();
        assert_eq!(from.pop(), Ok(Some(reply)));
        assert_eq!(host.control(shard).ask_kill(host.progress(shard), shard, 7), Some(1));
        assert_eq!(engine.control(shard).kill_asked(0), Some((1, shard, 7)));
        assert_eq!(host.control(shard).ask_kill(host.progress(shard), shard, 8), None);
        engine.progress(shard).set_kill_done(1);
        assert_eq!(host.progress(shard).kill_done(), 1);
    }
    let (lines, mut answers) = (host.replies().unwrap(), engine.answers().unwrap());
    assert!(host.replies().is_none() && engine.answers().is_none());
    let mut slot = lines.claim(3).unwrap();
    let reply_tag = slot.next_tag().unwrap();
    let reply = Frame { op: OP_REPLY, reply_tag, payload: &[4; 100], ..Frame::default() };
    answers.answer(slot.index(), &reply).unwrap();
    assert_eq!(slot.poll(reply_tag), Ok(Some(reply)));
}

#[test]
fn the_worker_tells_the_engine() {
    let application = Region::create(&GEOMETRY).unwrap();
    let worker = Region::open(fd(&application)).unwrap();
    worker.header().set_launches(2);
    worker.header().set_clock_offset(-9);
    let header = application.header();
    assert_eq!((header.launches(), header.clock_offset()), (2, -9));
}

#[test]
fn it_outlives_its_maker() {
    let host = Region::create(&GEOMETRY).unwrap();
    let (mut producer, _) = host.host_ports(0).unwrap();
    let other = Region::open(fd(&host)).unwrap();
    drop(host);
    producer.push(&Frame { op: OP_CALL, ..Frame::default() }).unwrap();
    drop(producer);
    assert!(other.engine_ports(0).unwrap().1.pop().unwrap().is_some());
}

#[test]
fn a_mapping_that_is_released_is_all_zeros_and_the_other_as_it_was() {
    let worker = Region::create(&GEOMETRY).unwrap();
    let application = worker.again().unwrap();
    assert!(application.fd().is_none() && application.again().is_err());
    let (mut producer, mut consumer) = application.host_ports(0).unwrap();
    producer.push(&Frame { op: OP_CALL, ..Frame::default() }).unwrap();
    worker.header().set_launches(7);
    assert_eq!(application.header().launches(), 7);
    application.release();
    application.release();
    assert_eq!((application.header().launches(), application.geometry()), (0, worker.geometry()));
    assert!(consumer.pop().unwrap().is_none());
    assert_eq!(worker.header().launches(), 7);
    assert!(worker.engine_ports(0).unwrap().1.pop().unwrap().is_some());
}

#[test]
fn its_size_is_sealed() {
    let region = Region::create(&GEOMETRY).unwrap();
    assert!(rustix::fs::ftruncate(region.fd().unwrap(), 4096).is_err());
    assert!(rustix::fs::ftruncate(region.fd().unwrap(), 1 << 30).is_err());
    assert!(Region::heap(&GEOMETRY).unwrap().fd().is_none());
}

#[test]
fn geometries_out_of_range_are_named() {
    let error = |geometry: Geometry| Region::create(&geometry).err().unwrap();
    for shards in [0, 4097] {
        assert!(matches!(error(Geometry { shards, ..GEOMETRY }), RegionError::Shards(n) if n == shards));
    }
    for capacity in [0, 1, 16, 33, 96, 1 << 21, u32::MAX] {
        assert!(matches!(error(Geometry { capacity, ..GEOMETRY }), RegionError::Capacity(n) if n == capacity));
    }
    for rows in [0, u32::MAX] {
        assert!(matches!(error(Geometry { rows, ..GEOMETRY }), RegionError::Rows(n) if n == rows));
    }
    assert!(matches!(error(Geometry { reply_lines: u32::MAX, ..GEOMETRY }), RegionError::ReplyLines(_)));
    assert!(matches!(error(Geometry { inbox: u32::MAX, ..GEOMETRY }), RegionError::Inbox(_)));
    assert!(matches!(error(Geometry { names: u32::MAX, ..GEOMETRY }), RegionError::Names(_)));
    let arena_bytes = MAX_ARENA_BYTES + 1;
    assert!(matches!(error(Geometry { arena_bytes, ..GEOMETRY }), RegionError::Arena(_)));
    assert!(error(Geometry { capacity: 33, ..GEOMETRY }).to_string().contains("power of two"));
}

#[test]
fn another_file_is_no_region() {
    let plain = || rustix::fs::memfd_create("plain", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    let why = |fd| match Region::open(fd) {
        Err(RegionError::NotARegion(why)) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("opened"),
    };
    assert_eq!(why(std::fs::File::open("/dev/null").unwrap().into()), "it has no seals");
    assert_eq!(why(plain()), "its size is not sealed");
    let sealed = |bytes| {
        let fd = plain();
        rustix::fs::ftruncate(&fd, bytes).unwrap();
        rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW).unwrap();
        fd
    };
    assert_eq!(why(sealed(100)), "it is shorter than a page");
    assert_eq!(why(sealed(8192)), "its first word is another");
}

/// Every word of the shape, changed in every way that matters: refused, or the same region.
#[test]
fn a_header_that_lies_is_refused() {
    let region = Region::create(&GEOMETRY).unwrap();
    let open = || Region::open(fd(&region));
    for offset in (0..offset_of!(RegionHeader, clock_offset)).step_by(8) {
        let right = word(&region, offset).load(Relaxed);
        for wrong in (0..64).map(|bit| right ^ 1 << bit).chain([0, u64::MAX]).filter(|&wrong| wrong != right) {
            word(&region, offset).store(wrong, Relaxed);
            if let Ok(opened) = open() {
                // Rows and arena are not in the region, and so is what rounds to the same page.
                let Geometry { shards, capacity, .. } = opened.geometry();
                assert_eq!((shards, capacity), (GEOMETRY.shards, GEOMETRY.capacity), "word at {offset}: {wrong:x}");
                assert!(offset_of!(RegionHeader, rows) <= offset && offset <= offset_of!(RegionHeader, arena_bytes));
                assert_eq!(opened.len(), region.len());
            }
        }
        word(&region, offset).store(right, Relaxed);
    }
    word(&region, 0).store(REGION_MAGIC ^ 1, Relaxed);
    assert!(matches!(open(), Err(RegionError::NotARegion(_))));
    word(&region, 0).store(REGION_MAGIC, Relaxed);
    word(&region, offset_of!(RegionHeader, fingerprint)).store(1, Relaxed);
    assert!(matches!(open(), Err(RegionError::Fingerprint { theirs: 1, ours: FINGERPRINT })));
    word(&region, offset_of!(RegionHeader, fingerprint)).store(FINGERPRINT, Relaxed);
    let ingress = word(&region, offset_of!(RegionHeader, ingress));
    ingress.fetch_add(4096, Relaxed);
    assert!(matches!(open(), Err(RegionError::Header { what: "ingress", .. })));
    ingress.fetch_sub(4096, Relaxed);
    assert!(open().is_ok());
}

#[test]
#[should_panic(expected = "shard 3 of a region with 3")]
fn a_shard_that_is_not_there() {
    let region: Arc<Region> = Region::create(&GEOMETRY).unwrap();
    region.progress(3);
}

/// A system's number leaves room for those of its devices, is another each time, and not nobody's.
#[test]
fn a_system_has_a_number_of_its_own() {
    let drawn: Vec<_> = (0..100).map(|_| draw_system()).collect();
    assert!(drawn.iter().all(|system| *system != 0 && system % (1 << DEVICE_BITS) == 0), "{drawn:x?}");
    assert!(drawn.windows(2).any(|two| two[0] != two[1]));
}
