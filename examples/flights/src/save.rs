//! Checkpoints on the way: taken by the reader between two rows, saved beside it, and found again by `--resume`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use flights_actors::{Aircraft, Late};
use flights_common::{Heard, Input, Tail};
use ractor::ActorCell;
use resident::checkpoint::{Archive, Checkpoint, Delta, Directory, Options, Scope, StateOf};
use resident::prelude::*;
use resident::resident_kernels::actor::Emit;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::reader::Fleet;

/// Deltas between two whole checkpoints.
const DELTAS: u32 = 15;
/// Checkpoints that may wait to be saved before the reader waits, too.
const AHEAD: usize = 2;

/// The names of the notes.
const INPUT: &str = "input";
const ROWS: &str = "rows";
const SKIPPED: &str = "skipped";

/// Takes checkpoints; a task beside saves them.
pub struct Saver {
    input: String,
    every: u64,
    /// The newest, and how many deltas led to it.
    newest: Option<(Checkpoint, u32)>,
    to_save: mpsc::Sender<(Checkpoint, Option<Delta>)>,
    saving: JoinHandle<anyhow::Result<()>>,
}

/// Where an earlier run was.
pub struct Resumed {
    pub checkpoint: Checkpoint,
    /// Rows read by then.
    pub rows: u64,
    /// Those of them without a tail number.
    pub skipped: u64,
}

/// Opens `path` to write, for a run from the beginning: there must be no checkpoints yet.
pub async fn begin(path: &Path) -> anyhow::Result<Archive> {
    let archive = open(path)?;
    if !archive.list().await?.is_empty() {
        bail!("`{0}` holds checkpoints of an earlier run: go on from them with `--resume {0}`, or name another directory", path.display());
    }
    Ok(archive)
}

/// Opens `path` to write, and finds the newest checkpoint that is whole.
pub async fn resume(path: &Path, input: &Input) -> anyhow::Result<(Archive, Resumed)> {
    let none = || {
        anyhow!(
            "`{}` holds no checkpoint to go on from: start from the beginning with `--checkpoint` in place of `--resume`",
            path.display()
        )
    };
    if !path.is_dir() {
        return Err(none());
    }
    let archive = open(path)?;
    let whole = archive.latest_whole().await.with_context(|| format!("can not go on from `{}`", path.display()))?.ok_or_else(none)?;
    for (number, error) in &whole.skipped {
        eprintln!("checkpoint {number} is damaged, an older one is taken: {error}");
    }
    let checkpoint = whole.checkpoint;
    let of = checkpoint.note(INPUT).map(String::from_utf8_lossy).unwrap_or_default().into_owned();
    if of != identity(input) {
        bail!(
            "the checkpoints in `{}` are of {of}, not of {}: name the same --input, or another directory",
            path.display(),
            identity(input)
        );
    }
    let count = |name: &str| {
        let bytes = checkpoint.note(name).and_then(|note| note.try_into().ok()).map(u64::from_le_bytes);
        bytes.ok_or_else(|| anyhow!("the checkpoint in `{}` does not say its {name}: was it made by this program?", path.display()))
    };
    let (rows, skipped) = (count(ROWS)?, count(SKIPPED)?);
    Ok((archive, Resumed { checkpoint, rows, skipped }))
}

fn open(path: &Path) -> anyhow::Result<Archive> {
    let options = Options { keep: 2, compact_after: usize::MAX, ..Options::default() };
    Ok(Archive::open(Directory::writer(PathBuf::from(path))?, options))
}

/// What tells one input from another, as far as a name and a length do.
fn identity(input: &Input) -> String {
    format!("{input} of {} bytes", input.bytes())
}

impl Resumed {
    /// What the alert actor had heard: every late flight that the aircraft have counted, but for those that it is still to be told of.
    pub fn heard(&self) -> anyhow::Result<Heard> {
        let mut heard = Heard::default();
        for actor in self.checkpoint.actors() {
            let aircraft: Aircraft = self.checkpoint.state_at(actor)?;
            heard.alerts += u64::from(aircraft.totals().late);
            if let Some(minutes) = aircraft.latest()
                && heard.latest.is_none_or(|(_, most)| minutes > most)
            {
                heard.latest = Some((Tail(aircraft.tail()), minutes));
            }
        }
        let untold = self.checkpoint.emitted().iter().filter(|emitted| emitted.ty == Late::TYPE).count();
        heard.alerts = heard.alerts.saturating_sub(untold as u64);
        Ok(heard)
    }

    /// Brings the aircraft back, under `supervisor`.
    pub async fn fleet(&self, system: &System, supervisor: ActorCell) -> anyhow::Result<Fleet> {
        let back = system.restore::<Aircraft>(&self.checkpoint, Some(supervisor)).await?;
        if let Some(failed) = back.failed.first() {
            bail!("aircraft `{}` had failed before the checkpoint: start from the beginning", failed.name.as_deref().unwrap_or_default());
        }
        let mut fleet = Fleet { rows: self.rows, skipped: self.skipped, ..Fleet::default() };
        for restored in back.actors {
            let tail = restored.actor.get_name().and_then(|name| Tail::of(&name)).context("an aircraft without a tail number")?;
            fleet.aircraft.insert(tail, restored.actor);
        }
        Ok(fleet)
    }
}

impl Saver {
    /// Begins, behind `newest` if this run goes on from it.
    pub fn start(archive: Archive, input: &Input, every: u64, newest: Option<Checkpoint>) -> Saver {
        let (to_save, mut heard) = mpsc::channel::<(Checkpoint, Option<Delta>)>(AHEAD);
        let saving = tokio::spawn(async move {
            while let Some((checkpoint, delta)) = heard.recv().await {
                match delta {
                    Some(delta) => archive.save_delta(&delta).await?,
                    None => archive.save_full(&checkpoint).await?,
                };
            }
            Ok(())
        });
        // A chain that another run has begun is not gone on with, since its length is not known.
        let newest = newest.map(|newest| (newest, DELTAS));
        Saver { input: identity(input), every: every.max(1), newest, to_save, saving }
    }

    /// Whether one is due after so many rows.
    pub fn is_due(&self, rows: u64) -> bool {
        rows.is_multiple_of(self.every)
    }

    /// Takes a checkpoint behind everything that was sent so far. Does not wait until it is saved, unless several are not yet.
    pub async fn take(&mut self, system: &System, rows: u64, skipped: u64) -> anyhow::Result<()> {
        let taking = system.checkpoint(Scope::Device).note(INPUT, self.input.as_bytes());
        let taking = taking.note(ROWS, rows.to_le_bytes()).note(SKIPPED, skipped.to_le_bytes()).within(Duration::from_secs(60));
        let (checkpoint, delta) = match self.newest.take() {
            Some((newest, deltas)) if deltas < DELTAS => {
                let (checkpoint, delta) = taking.since(&newest).await?;
                self.newest = Some((checkpoint.clone(), deltas + 1));
                (checkpoint, Some(delta))
            }
            _ => {
                let checkpoint = taking.await?;
                self.newest = Some((checkpoint.clone(), 0));
                (checkpoint, None)
            }
        };
        if self.to_save.send((checkpoint, delta)).await.is_err() {
            // It ends early only by an error.
            (&mut self.saving).await??;
        }
        Ok(())
    }

    /// Waits until all are saved.
    pub async fn finish(self) -> anyhow::Result<()> {
        drop(self.to_save);
        self.saving.await?.context("a checkpoint was not saved")
    }
}
