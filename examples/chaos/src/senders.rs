//! Who sends: threads that block, tasks that wait, all ways to send. Each sender is a lane, with numbers of its own for each child.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use chaos_actors::{Entry, Query};
use resident::System;
use tokio::runtime::Handle;

use crate::book::{Fate, Ledger, Page, ledger};
use crate::clerk::{Answer, PATIENCE, Unsent};
use crate::random::Random;
use crate::tree::{Child, Place, Tree};

/// The lanes of threads, then those of tasks that send into the ring, then those that send through the mailbox.
pub const THREADS: u32 = 2;
pub const TASKS: u32 = 2;
pub const POSTS: u32 = 2;
const _: () = assert!((THREADS + TASKS + POSTS) as usize == chaos_actors::LANES);

/// The ways to send, as the report names them.
pub const WAYS: [&str; 8] = ["cast", "cast_many", "ask", "Pipeline", "send", "call!", "mailbox cast", "mailbox call!"];

/// What all senders share.
pub struct Scene {
    pub tree: Tree,
    pub system: System,
    pub stop: AtomicBool,
    /// Entries accepted, by way.
    pub ways: [AtomicU64; WAYS.len()],
}

impl Scene {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn count(&self, way: usize, before: u32, page: &Page) {
        self.ways[way].fetch_add(u64::from(page.next() - before), Ordering::Relaxed);
    }
}

/// What a cast came to; whether the sender has to look for the child.
fn cast(page: &mut Page, sent: Result<(), Unsent>) -> bool {
    match sent {
        Ok(()) => page.add(Fate::Cast, 1),
        Err(_) => page.returned += 1,
    }
    sent == Err(Unsent::Gone)
}

/// The same of a call.
fn call(page: &mut Page, answer: Answer) -> bool {
    match answer {
        Answer::Receipt(receipt) => page.replied(&receipt),
        Answer::Failed => page.add(Fate::Failed, 1),
        Answer::Refused => page.add(Fate::Refused, 1),
        Answer::Late => page.add(Fate::Late, 1),
        Answer::Unsent(_) => page.returned += 1,
    }
    matches!(answer, Answer::Unsent(Unsent::Gone) | Answer::Refused)
}

/// A thread that sends until it is told to stop.
pub fn on_a_thread(scene: Arc<Scene>, lane: u32, seed: u64, runtime: Handle) -> Ledger {
    let mut random = Random::new(seed);
    let mut pages = ledger(scene.tree.children.len());
    let residents: Vec<&Child> = scene.tree.children.iter().filter(|child| child.place != Place::Here).collect();
    while scene.goes_on() {
        let child = residents[random.below(residents.len() as u64) as usize];
        let page = &mut pages[child.index];
        let before = page.next();
        let entries = |n: u64| (before..).take(n as usize);
        // A pipeline belongs to one system.
        let way = random.below(if child.place == Place::Device { 4 } else { 3 }) as usize;
        let gone = match way {
            0 => (0..1 + random.below(8)).any(|_| {
                let number = page.next();
                cast(page, child.hand.cast(Entry { lane, number }))
            }),
            1 => {
                let entries: Vec<_> = entries(1 + random.below(64)).map(|number| Entry { lane, number }).collect();
                let sent = child.hand.cast_many(&entries);
                let accepted = sent.unwrap_or(0);
                page.add(Fate::Cast, accepted as u32);
                page.returned += (entries.len() - accepted) as u64;
                sent == Err(Unsent::Gone)
            }
            2 => (0..1 + random.below(3)).any(|_| {
                let number = page.next();
                call(page, child.hand.ask(Query { lane, number }))
            }),
            _ => {
                let queries: Vec<_> = entries(1 + random.below(32)).map(|number| Query { lane, number }).collect();
                let answers = child.hand.pipeline(&scene.system, &queries);
                answers.into_iter().filter(|answer| call(page, *answer)).count() > 0
            }
        };
        scene.count(way, before, page);
        if gone {
            runtime.block_on(child.look(&scene.tree.root));
        }
        thread::sleep(Duration::from_micros(random.below(200)));
    }
    pages
}

/// A task that sends into the rings, or with `post` through mailboxes.
pub async fn in_a_task(scene: Arc<Scene>, lane: u32, seed: u64, post: bool) -> Ledger {
    let mut random = Random::new(seed);
    let mut pages = ledger(scene.tree.children.len());
    while scene.goes_on() {
        let child = &scene.tree.children[random.below(scene.tree.children.len() as u64) as usize];
        let page = &mut pages[child.index];
        let before = page.next();
        let way = if post { 6 + random.below(2) } else { [0, 4, 5][random.below(3) as usize] } as usize;
        let mut gone = false;
        for _ in 0..1 + random.below(8) {
            let (entry, query) = (Entry { lane, number: page.next() }, Query { lane, number: page.next() });
            gone = match way {
                0 => cast(page, child.hand.cast(entry)),
                4 => match tokio::time::timeout(PATIENCE, child.hand.send(entry)).await {
                    Ok(sent) => cast(page, sent),
                    Err(_) => call(page, Answer::Late),
                },
                5 => call(page, child.hand.call(query).await),
                6 => cast(page, child.hand.post(entry)),
                _ => call(page, child.hand.post_call(query).await),
            };
            if gone {
                break;
            }
        }
        scene.count(way, before, page);
        if gone {
            child.look(&scene.tree.root).await;
        }
        tokio::time::sleep(Duration::from_micros(random.below(400))).await;
    }
    pages
}
