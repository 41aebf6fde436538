//! `diff`: what became of one point in another.

use resident_checkpoint::{Actor, Archive, Checkpoint, Delta, Status};
use serde::Serialize;

use crate::error::Error;
use crate::output::{Output, bytes, table};

#[derive(Serialize)]
struct Diff {
    before: u64,
    after: u64,
    equal: bool,
    changed_pages: usize,
    changed_bytes: u64,
    actors: Vec<Row>,
    notes: Vec<NoteRow>,
    pending: [usize; 2],
    emitted: [usize; 2],
}

#[derive(Serialize)]
struct Row {
    key: String,
    name: Option<String>,
    /// `new`, `changed` or `gone`.
    what: &'static str,
    /// Of the state.
    changed_pages: usize,
    /// Messages handled between.
    handled: u64,
    /// It failed between.
    failed: bool,
}

#[derive(Serialize)]
struct NoteRow {
    name: String,
    /// `new`, `changed` or `gone`.
    what: &'static str,
}

/// Which actors differ, and in how many pages.
pub(crate) async fn diff(archive: &Archive, before: u64, after: u64) -> Result<Output, Error> {
    let (old, new) = (archive.restore(before).await?, archive.restore(after).await?);
    let delta = Checkpoint::delta_from(&old, &new);
    let diff = Diff {
        before,
        after,
        equal: old == new,
        changed_pages: delta.pages().len(),
        changed_bytes: delta.page_bytes(),
        actors: actors(&old, &delta),
        notes: notes(&old, &new),
        pending: [old.pending().len(), new.pending().len()],
        emitted: [old.emitted().len(), new.emitted().len()],
    };
    Ok(Output::new(text(&diff), &diff))
}

fn actors(old: &Checkpoint, delta: &Delta) -> Vec<Row> {
    let mut pages = vec![0; delta.changed().len()];
    delta.pages().iter().for_each(|page| pages[page.changed as usize] += 1);
    let gone = delta.removed().iter().map(|key| Row {
        key: key.to_string(),
        name: old.actor(*key).and_then(|actor| actor.name.clone()),
        what: "gone",
        changed_pages: 0,
        handled: 0,
        failed: false,
    });
    let changed = delta.changed().iter().zip(pages).map(|(actor, changed_pages)| {
        let before = old.actor(actor.key);
        let failed = |actor: &Actor| actor.status == Status::Failed;
        Row {
            key: actor.key.to_string(),
            name: actor.name.clone(),
            what: if before.is_some() { "changed" } else { "new" },
            changed_pages,
            handled: actor.handled.saturating_sub(before.map_or(0, |before| before.handled)),
            failed: failed(actor) && !before.is_some_and(failed),
        }
    });
    gone.chain(changed).collect()
}

fn notes(old: &Checkpoint, new: &Checkpoint) -> Vec<NoteRow> {
    let gone = old.notes().keys().filter(|name| new.note(name).is_none()).map(|name| NoteRow { name: name.clone(), what: "gone" });
    let now = new.notes().iter().filter_map(|(name, value)| {
        let what = match old.note(name) {
            None => "new",
            Some(before) if before != value => "changed",
            Some(_) => return None,
        };
        Some(NoteRow { name: name.clone(), what })
    });
    gone.chain(now).collect()
}

fn text(diff: &Diff) -> String {
    const LISTED: usize = 50;
    if diff.equal {
        return format!("points {} and {} are equal\n", diff.before, diff.after);
    }
    let count = |what| diff.actors.iter().filter(|row| row.what == what).count();
    let mut text = format!(
        "from point {} to {}: {} actors changed, {} new, {} gone; {} pages, {}\n",
        diff.before,
        diff.after,
        count("changed"),
        count("new"),
        count("gone"),
        diff.changed_pages,
        bytes(diff.changed_bytes)
    );
    text += &format!("messages pending {} -> {}, emitted {} -> {}\n", diff.pending[0], diff.pending[1], diff.emitted[0], diff.emitted[1]);
    if !diff.actors.is_empty() {
        let cells = |row: &Row| {
            let what = if row.failed { format!("{}, failed", row.what) } else { row.what.to_owned() };
            [row.key.clone(), row.name.clone().unwrap_or("-".into()), what, row.changed_pages.to_string(), row.handled.to_string()]
        };
        text.push('\n');
        text += &table(["key", "name", "what", "pages", "handled"], diff.actors.iter().take(LISTED).map(cells));
        if diff.actors.len() > LISTED {
            text += &format!("and {} more; --json has all\n", diff.actors.len() - LISTED);
        }
    }
    if !diff.notes.is_empty() {
        text.push('\n');
        text += &table(["note", "what"], diff.notes.iter().map(|row| [row.name.clone(), row.what.to_owned()]));
    }
    text
}
