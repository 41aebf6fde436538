//! The thread of actors that have no arbiter: one of this process, started for the first of them.
//!
//! actix's contexts stay on their thread, so a task of any runtime cannot run them.

use std::io;
use std::sync::OnceLock;
use std::thread;

use parking_lot::Mutex;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};

/// Starts an actor there.
type Starts = Box<dyn FnOnce() + Send>;

static WAY: OnceLock<UnboundedSender<Starts>> = OnceLock::new();
/// Held by whoever starts the thread.
static STARTING: Mutex<()> = Mutex::new(());

/// Has `starts` called on the thread, where tasks are local ones.
pub(super) fn call(starts: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let way = match WAY.get() {
        Some(way) => way,
        None => {
            let _starting = STARTING.lock();
            match WAY.get() {
                Some(way) => way,
                None => {
                    let way = start()?;
                    WAY.get_or_init(|| way)
                }
            }
        }
    };
    way.send(Box::new(starts)).map_err(|_| io::Error::other("it has ended"))
}

fn start() -> io::Result<UnboundedSender<Starts>> {
    let (way, come) = unbounded_channel();
    // Time: whoever waits for an actor's end does so for a while only.
    let runtime = Builder::new_current_thread().enable_time().build()?;
    thread::Builder::new().name("resident-actix".into()).spawn(move || LocalSet::new().block_on(&runtime, run(come)))?;
    Ok(way)
}

async fn run(mut come: UnboundedReceiver<Starts>) {
    while let Some(starts) = come.recv().await {
        // In a task of its own: a panic costs that one.
        spawn_local(async move { starts() });
    }
}
