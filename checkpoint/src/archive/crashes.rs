//! C-5: a writer that stops at any byte and at each step between, by a kill or by a loss of power, leaves every point that was saved.
//!
//! The disk is a simulated one that knows what was synced. A kill keeps what was done so far. A loss of power keeps what was synced and
//! any part of the rest; here the two extremes, all of it and nothing, and for the file's data the half.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::{Archive, Options};
use crate::store::{Directory, Disk, Entry, Output};
use crate::{Actor, Checkpoint, Key, Kind, Parts, Status};

/// A file's data, and how much of it is synced.
#[derive(Clone, Default)]
struct Data {
    bytes: Vec<u8>,
    synced: usize,
}

/// The disk as programs see it, and the names as a loss of power would leave them.
#[derive(Clone, Default)]
struct State {
    files: BTreeMap<u64, Data>,
    names: BTreeMap<String, u64>,
    synced_names: BTreeMap<String, u64>,
    /// Steps and bytes that are still done before everything fails.
    left: u64,
    used: u64,
    /// What fails before the end: only one step does, and the program goes on.
    once: bool,
}

#[derive(Clone, Default)]
struct Simulated(Arc<Mutex<State>>);

impl State {
    /// One step, or so many bytes of it: how much is done.
    fn spend(&mut self, wanted: u64) -> u64 {
        let done = wanted.min(self.left);
        self.left -= done;
        self.used += done;
        if done < wanted && self.once {
            self.left = u64::MAX;
        }
        done
    }

    fn step(&mut self) -> io::Result<()> {
        match self.spend(1) {
            1 => Ok(()),
            _ => Err(stopped()),
        }
    }

    fn file(&mut self, name: &str) -> io::Result<u64> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The disk after power comes back.
    fn lose_power(&mut self, loss: Loss) {
        if loss == Loss::Kill {
            return;
        }
        for data in self.files.values_mut() {
            let kept = match loss {
                Loss::Half => data.synced + (data.bytes.len() - data.synced) / 2,
                Loss::All => data.synced,
                Loss::Kill | Loss::Names => data.bytes.len(),
            };
            data.bytes.truncate(kept);
        }
        self.names.clone_from(&self.synced_names);
    }
}

/// What is lost of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// Nothing: only the process has ended.
    Kill,
    /// Renames and removals.
    Names,
    /// Those, and the second half of the data.
    Half,
    /// Everything.
    All,
}

fn stopped() -> io::Error {
    io::Error::other("the disk has stopped")
}

impl Simulated {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// A disk with the same on it, of which `left` steps and bytes work.
    fn copy(&self, left: u64, once: bool) -> Simulated {
        let state = State { left, used: 0, once, ..self.state().clone() };
        Simulated(Arc::new(Mutex::new(state)))
    }
}

impl Disk for Simulated {
    fn is_in_place(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        let state = self.state();
        Ok(state.names.iter().map(|(name, file)| Entry { name: name.clone(), bytes: state.files[file].bytes.len() as u64 }).collect())
    }

    fn read(&self, name: &str, most: u64) -> io::Result<Bytes> {
        let mut state = self.state();
        let file = state.file(name)?;
        let bytes = &state.files[&file].bytes;
        Ok(Bytes::copy_from_slice(&bytes[..bytes.len().min(most as usize)]))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Output>> {
        let mut state = self.state();
        state.step()?;
        let file = state.files.len() as u64;
        state.files.insert(file, Data::default());
        state.names.insert(name.to_owned(), file);
        Ok(Box::new((self.clone(), file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.file(name)?;
        state.step()?;
        state.names.remove(name);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.synced_names = state.names.clone();
        Ok(())
    }
}

impl Output for (Simulated, u64) {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.state();
        let done = state.spend(bytes.len() as u64) as usize;
        state.files.get_mut(&self.1).unwrap().bytes.extend_from_slice(&bytes[..done]);
        if done == bytes.len() { Ok(()) } else { Err(stopped()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.0.state();
        state.step()?;
        let data = state.files.get_mut(&self.1).unwrap();
        data.synced = data.bytes.len();
        Ok(())
    }
}

fn checkpoint(step: u8) -> Checkpoint {
    let key = Key { shard: 0, row: 0, generation: 0 };
    let actor = Actor { key, name: None, kind: 0, status: Status::Live, handled: step.into(), offset: 0, bytes: 8 };
    let kinds = vec![Kind { name: "Counter".into(), layout: 0, state_bytes: 8 }];
    Checkpoint::new(Parts { kinds, actors: vec![actor], states: vec![step; 8].into(), ..Parts::default() }).unwrap()
}

fn delta(to: u8) -> crate::Delta {
    Checkpoint::delta_from(&checkpoint(to - 1), &checkpoint(to))
}

fn archive(disk: &Simulated, keep: usize) -> Archive {
    Archive::open(Directory::on(Box::new(disk.clone())), Options { keep, ..Options::default() })
}

/// What a writer does that is stopped in the middle.
#[derive(Clone, Copy, Debug)]
enum Act {
    Full,
    Delta,
    Compact,
}

async fn act(act: Act, archive: &Archive) -> bool {
    match act {
        Act::Full => archive.save_full(&checkpoint(4)).await.is_ok(),
        Act::Delta => archive.save_delta(&delta(4)).await.is_ok(),
        Act::Compact => archive.compact().await.is_ok(),
    }
}

/// A disk with a full and two deltas, whose newest is checkpoint 3.
async fn before(keep: usize) -> Simulated {
    let disk = Simulated::default();
    disk.state().left = u64::MAX;
    let archive = archive(&disk, keep);
    archive.save_full(&checkpoint(1)).await.unwrap();
    archive.save_delta(&delta(2)).await.unwrap();
    archive.save_delta(&delta(3)).await.unwrap();
    disk
}

/// Each step, and of the many bytes between some.
fn some(all: u64) -> impl Iterator<Item = u64> {
    (0..=all).filter(move |left| left % 499 == 0 || *left < 4 || left + 12 >= all)
}

/// Stops `done` after numbers of steps and bytes, and looks at what is left.
async fn stopped_anywhere(done: Act, keep: usize) {
    let begun = before(keep).await;
    let all = {
        let disk = begun.copy(u64::MAX, false);
        assert!(act(done, &archive(&disk, keep)).await);
        disk.state().used
    };
    assert!(all > if matches!(done, Act::Compact) { 8 } else { 4 }, "steps: {all}");
    let mut saved = 0;
    for left in some(all) {
        for loss in [Loss::Kill, Loss::Names, Loss::Half, Loss::All] {
            let what = format!("{done:?}, keep {keep}, stopped after {left} of {all}, {loss:?}");
            let disk = begun.copy(left, false);
            let finished = act(done, &archive(&disk, keep)).await;
            assert!(!finished || left == all, "{what}: it does not notice");
            disk.state().lose_power(loss);

            // The next one.
            let disk = disk.copy(u64::MAX, false);
            let next = archive(&disk, keep);
            let newest = next.latest().await.unwrap_or_else(|error| panic!("{what}: {error}")).unwrap();
            let (three, four) = (newest == checkpoint(3), newest == checkpoint(4));
            assert!(three || four && !matches!(done, Act::Compact), "{what}: {newest:?}");
            assert!(!finished || four || matches!(done, Act::Compact), "{what}: what was saved is gone");
            saved += u32::from(four);
            // Each point that is kept can be restored, whatever was deleted of the others.
            let points = next.verify().await.unwrap();
            assert!(points.len() >= keep.min(3), "{what}: {points:?}");
            for (point, result) in points {
                assert!(result.is_ok(), "{what}: {}: {result:?}", point.name);
            }
            // And life goes on: what was left beside is in nobody's way.
            next.save_full(&checkpoint(9)).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(next.latest().await.unwrap().unwrap(), checkpoint(9));
        }
    }
    assert!(matches!(done, Act::Compact) || saved > 0);
}

/// C-5
#[tokio::test]
async fn a_save_that_is_stopped_anywhere() {
    for keep in [1, 2, 3] {
        stopped_anywhere(Act::Full, keep).await;
        stopped_anywhere(Act::Delta, keep).await;
    }
}

/// C-5
#[tokio::test]
async fn a_compaction_that_is_stopped_anywhere() {
    for keep in [1, 2, 3] {
        stopped_anywhere(Act::Compact, keep).await;
    }
}

/// C-5: each byte of a file.
#[tokio::test]
async fn a_save_that_is_stopped_at_each_byte() {
    let begun = before(1).await;
    let delta = delta(4);
    for left in 0..delta.encode(Default::default()).unwrap().bytes() {
        let disk = begun.copy(left, false);
        assert!(archive(&disk, 1).save_delta(&delta).await.is_err());
        disk.state().lose_power(if left % 2 == 0 { Loss::Kill } else { Loss::Half });
        assert_eq!(archive(&disk.copy(u64::MAX, false), 1).latest().await.unwrap().unwrap(), checkpoint(3), "after {left} bytes");
    }
}

/// C-5: one operation fails, as when the disk is full for a moment, and the same writer goes on.
#[tokio::test]
async fn a_failure_in_the_middle() {
    for done in [Act::Full, Act::Delta, Act::Compact] {
        let begun = before(2).await;
        let all = begun.copy(u64::MAX, false);
        assert!(act(done, &archive(&all, 2)).await);
        let all = all.state().used;
        for left in some(all) {
            let disk = begun.copy(left, true);
            let archive = archive(&disk, 2);
            assert_eq!(act(done, &archive).await, left == all, "{done:?} {left} of {all}");
            disk.state().left = u64::MAX;
            let newest = archive.latest().await.unwrap().unwrap();
            assert!(newest == checkpoint(3) || newest == checkpoint(4));
            assert!(archive.verify().await.unwrap().iter().all(|(_, result)| result.is_ok()), "{done:?} {left}");
            archive.save_delta(&Checkpoint::delta_from(&newest, &checkpoint(9))).await.unwrap();
            assert_eq!(archive.latest().await.unwrap().unwrap(), checkpoint(9));
        }
    }
}
