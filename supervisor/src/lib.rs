//! OTP supervision as values: a [`Supervisor`] is told what happened and answers what to do. It has no clock, starts
//! nothing, stops nothing and waits for nothing; a carrier does, and tells it how it went.
//!
//! The words mean what they mean in OTP (`supervisor.erl`), with these additions: backoff, a decider's
//! [`Directive`]s, children on devices that can be lost, zombies, and starts and stops that take their time while
//! the supervisor goes on answering.
//!
//! ```
//! use resident_supervisor::{Action, ChildSpec, Directive, Event, Exit, Flags, Outcome, Start, Supervisor};
//! use std::time::Duration;
//!
//! let now = Duration::ZERO;
//! let mut supervisor = Supervisor::<&str>::new(Flags::default(), [ChildSpec::worker("book")], 1)?;
//! let [Action::Start { child, start: Start::First }] = supervisor.handle(Event::Boot, now)[..] else { panic!() };
//! assert_eq!(supervisor.handle(Event::Started { child, outcome: Outcome::Running }, now), [Action::Ready]);
//!
//! let exited = Event::Exited { child, exit: Exit::Failed(Directive::Restart), cause: "a trap" };
//! let [Action::Start { child: next, start: Start::Again }] = supervisor.handle(exited, now)[..] else { panic!() };
//! assert_eq!((next.key, next.incarnation), (child.key, child.incarnation + 1));
//! # Ok::<(), resident_supervisor::Invalid>(())
//! ```

#![forbid(unsafe_code)]

mod backoff;
mod children;
mod error;
mod event;
mod exit;
mod flags;
mod info;
mod intensity;
mod machine;
mod spec;

pub use backoff::Backoff;
pub use error::{AdminError, End, Invalid};
pub use event::{Action, Child, ChildKey, Event, Outcome, Reply, Request, RequestId, Start, Target};
pub use exit::{Directive, Exit};
pub use flags::{AutoShutdown, Flags, Strategy};
pub use info::{ChildInfo, Counts, Status};
pub use machine::Supervisor;
pub use spec::{ChildSpec, Kind, Restart, Shutdown};
