//! `show`: what is in a checkpoint.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use resident_checkpoint::{Actor, Archive, Checkpoint, Status};
use serde::Serialize;

use crate::error::Error;
use crate::output::{Output, bytes, date, hex, table};

#[derive(Serialize)]
struct Shown {
    number: u64,
    digest: String,
    device: String,
    wall_micros: u64,
    hlc: u64,
    state_bytes: u64,
    kinds: Vec<KindRow>,
    actors: Vec<ActorRow>,
    shards: Vec<ShardRow>,
    pending: Vec<MessageRow>,
    emitted: Vec<MessageRow>,
    /// Values in hexadecimal digits.
    notes: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct KindRow {
    name: String,
    layout: String,
    state_bytes: u32,
    actors: usize,
    failed: usize,
    handled: u64,
}

#[derive(Serialize)]
struct ActorRow {
    key: String,
    name: Option<String>,
    kind: String,
    status: &'static str,
    handled: u64,
    state_bytes: u32,
    /// In hexadecimal digits; only if one actor was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
}

#[derive(Serialize)]
struct ShardRow {
    consumed: u64,
    produced: u64,
    handled: u64,
    hlc: u64,
}

#[derive(Serialize)]
struct MessageRow {
    actor: String,
    /// The message's number, or the type's.
    message: u32,
    hlc: u64,
    bytes: usize,
}

/// A checkpoint, or one of its actors.
pub(crate) async fn show(archive: &Archive, dir: &Path, number: Option<u64>, actor: Option<&str>) -> Result<Output, Error> {
    let newest = archive.list().await?.first().map(|point| point.number).ok_or(Error::Nothing(dir.to_owned()))?;
    let number = number.unwrap_or(newest);
    let checkpoint = archive.restore(number).await?;
    match actor {
        Some(name) => one(number, &checkpoint, name),
        None => Ok(whole(number, &checkpoint)),
    }
}

fn one(number: u64, checkpoint: &Checkpoint, name: &str) -> Result<Output, Error> {
    let Some(actor) = checkpoint.named(name) else {
        let known = checkpoint.actors().iter().filter_map(|actor| actor.name.clone()).take(5).collect();
        return Err(Error::NoActor { number, name: name.to_owned(), known });
    };
    let state = checkpoint.state(actor);
    let row = ActorRow { state: Some(hex(&state)), ..row(checkpoint, actor) };
    let mut text = format!("{name}: {} {}, {}, {} handled, {}\n", row.kind, row.key, row.status, row.handled, bytes(actor.bytes.into()));
    for (at, line) in state.chunks(32).enumerate() {
        let words: Vec<String> = line.chunks(4).map(hex).collect();
        let _ = writeln!(text, "{:06x}  {}", at * 32, words.join(" "));
    }
    Ok(Output::new(text, &row))
}

fn whole(number: u64, checkpoint: &Checkpoint) -> Output {
    let taken = checkpoint.taken();
    let shown = Shown {
        number,
        digest: checkpoint.digest().to_string(),
        device: taken.device.clone(),
        wall_micros: taken.wall_micros,
        hlc: taken.hlc,
        state_bytes: checkpoint.state_bytes(),
        kinds: kinds(checkpoint),
        actors: checkpoint.actors().iter().map(|actor| row(checkpoint, actor)).collect(),
        shards: checkpoint
            .shards()
            .iter()
            .map(|shard| ShardRow { consumed: shard.consumed, produced: shard.produced, handled: shard.handled, hlc: shard.hlc })
            .collect(),
        pending: checkpoint
            .pending()
            .iter()
            .map(|message| MessageRow {
                actor: message.key.to_string(),
                message: message.message.into(),
                hlc: message.hlc,
                bytes: message.payload.len(),
            })
            .collect(),
        emitted: checkpoint
            .emitted()
            .iter()
            .map(|message| MessageRow {
                actor: message.key.to_string(),
                message: message.ty,
                hlc: message.hlc,
                bytes: message.payload.len(),
            })
            .collect(),
        notes: checkpoint.notes().iter().map(|(name, value)| (name.clone(), hex(value))).collect(),
    };
    Output::new(text(&shown, checkpoint), &shown)
}

/// For people: named actors and failed ones are listed as far as a screen goes, the others counted.
fn text(shown: &Shown, checkpoint: &Checkpoint) -> String {
    const LISTED: usize = 20;
    let mut text = format!("point {}: {}\n", shown.number, shown.digest);
    let _ = writeln!(text, "taken {} UTC of {}, clock {}", date(shown.wall_micros), shown.device, shown.hlc);
    let _ = writeln!(text, "{} actors in {} shards, {} of states", shown.actors.len(), shown.shards.len(), bytes(shown.state_bytes));
    let _ = writeln!(text, "{} messages pending, {} emitted\n", shown.pending.len(), shown.emitted.len());
    let kind = |kind: &KindRow| {
        [
            kind.name.clone(),
            kind.actors.to_string(),
            kind.failed.to_string(),
            bytes(kind.state_bytes.into()),
            kind.handled.to_string(),
            kind.layout.clone(),
        ]
    };
    text += &table(["kind", "actors", "failed", "state", "handled", "layout"], shown.kinds.iter().map(kind));
    let told: Vec<&ActorRow> = shown.actors.iter().filter(|actor| actor.name.is_some() || actor.status == "failed").collect();
    if !told.is_empty() {
        let cells = |actor: &&ActorRow| {
            [
                actor.name.clone().unwrap_or("-".into()),
                actor.kind.clone(),
                actor.key.clone(),
                actor.status.into(),
                actor.handled.to_string(),
            ]
        };
        text.push('\n');
        text += &table(["name", "kind", "key", "status", "handled"], told.iter().take(LISTED).map(cells));
        if told.len() > LISTED {
            let _ = writeln!(text, "and {} more; --json has all", told.len() - LISTED);
        }
    }
    if !shown.notes.is_empty() {
        let note = |(name, value): (&String, &Vec<u8>)| {
            let readable = std::str::from_utf8(value).ok().filter(|value| !value.chars().any(char::is_control));
            [name.clone(), readable.map_or_else(|| hex(value), |value| format!("{value:?}"))]
        };
        text.push('\n');
        text += &table(["note", "value"], checkpoint.notes().iter().map(note));
    }
    text
}

fn kinds(checkpoint: &Checkpoint) -> Vec<KindRow> {
    let row = |kind: &resident_checkpoint::Kind| KindRow {
        name: kind.name.clone(),
        layout: format!("{:#018x}", kind.layout),
        state_bytes: kind.state_bytes,
        actors: 0,
        failed: 0,
        handled: 0,
    };
    let mut rows: Vec<KindRow> = checkpoint.kinds().iter().map(row).collect();
    for actor in checkpoint.actors() {
        let row = &mut rows[actor.kind as usize];
        row.actors += 1;
        row.failed += usize::from(actor.status == Status::Failed);
        row.handled = row.handled.saturating_add(actor.handled);
    }
    rows
}

fn row(checkpoint: &Checkpoint, actor: &Actor) -> ActorRow {
    ActorRow {
        key: actor.key.to_string(),
        name: actor.name.clone(),
        kind: checkpoint.kind_of(actor).name.clone(),
        status: match actor.status {
            Status::Live => "live",
            Status::Failed => "failed",
        },
        handled: actor.handled,
        state_bytes: actor.bytes,
        state: None,
    }
}
