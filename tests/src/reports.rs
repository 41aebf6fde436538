//! What supervisors, and systems that have a name, report through `tracing`, in its order.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// By the name of who said it: what it said, with the child's id where it is about one.
type Said = HashMap<String, Vec<String>>;

fn said() -> MutexGuard<'static, Said> {
    static SAID: OnceLock<Mutex<Said>> = OnceLock::new();
    SAID.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps reports from now on, for the whole process and by the name of who reports. Every test that has a system or a supervisor
/// begins with it: `tracing` may not find out about a subscriber that comes while another thread reports for the first time.
pub fn keep() {
    static KEPT: OnceLock<()> = OnceLock::new();
    KEPT.get_or_init(|| tracing::subscriber::set_global_default(Keeper).expect("no other subscriber is set"));
}

/// What the supervisor or system of this name has reported so far, each as "what child".
pub fn of(name: &str) -> Vec<String> {
    said().get(name).cloned().unwrap_or_default()
}

struct Keeper;

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("resident::")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if fields.who.is_empty() {
            return;
        }
        said().entry(fields.who).or_default().push(format!("{} {}", fields.message, fields.child).trim_end().to_owned());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Fields {
    who: String,
    child: String,
    message: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "supervisor" | "system" => self.who = value.into(),
            "child" => self.child = value.into(),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}
