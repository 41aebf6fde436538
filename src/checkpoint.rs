//! Checkpoints: the states of actors at one moment, taken while they run, and brought back here or elsewhere.
//!
//! ```
//! # use resident_kernels::prelude::*;
//! # #[derive(State, Default)] #[repr(C)] pub struct Account { pub cents: i64 }
//! # #[derive(Message)] #[repr(C)] pub struct Deposit { pub cents: i64 }
//! # #[actor]
//! # impl Account {
//! #     fn deposit(&mut self, msg: &Deposit, _ctx: &mut Ctx) { self.cents += msg.cents; }
//! # }
//! # resident_kernels::export!(Account);
//! use resident::checkpoint::{Archive, Directory, Options, Scope};
//! use resident::prelude::*;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = std::env::temp_dir().join(format!("resident-doc-{}", std::process::id()));
//! # let config = || Config::cpu();
//! let system = System::start(config()).await?;
//! let (account, _) = Account::spawn(Some("savings".into()), Account::default(), &system).await?;
//! account.send(AccountMsg::Deposit(Deposit { cents: 100 })).await?;
//! let checkpoint = system.checkpoint(Scope::Device).note("row", b"17").await?;
//! assert_eq!(checkpoint.state_of::<Account>("savings")?.cents, 100);
//!
//! let archive = Archive::open(Directory::writer(&directory)?, Options::default());
//! archive.save_full(&checkpoint).await?;
//! system.stop().await;
//!
//! // In another process, perhaps on another device:
//! let system = System::start(config()).await?;
//! let checkpoint = archive.latest().await?.expect("one was saved");
//! let accounts = system.restore::<Account>(&checkpoint, None).await?;
//! assert_eq!(accounts.actors[0].actor.get_name().as_deref(), Some("savings"));
//! # system.stop().await;
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
//! ```
//!
//! # What is in it
//!
//! All shards of the device stand still for a moment between two messages, and everything is of that moment: what was sent before is
//! in the states or among the [`pending`](Checkpoint::pending) messages, what was emitted before was delivered or is among the
//! [`emitted`](Checkpoint::emitted). What was sent before [`System::checkpoint`](crate::System::checkpoint) was called has been
//! handled; so have the spawns before it. A sender that has sent one message and then another, to whichever actors, finds the second
//! in it only together with the first.
//!
//! [`System::restore`](crate::System::restore) brings the actors of a kind back, [`System::redeliver`](crate::System::redeliver) what they
//! had emitted. A kind is found by its name; where its state's layout has changed, `#[actor(migrate = ..)]` says what becomes of it.
//!
//! # Again and again
//!
//! [`every`] takes checkpoints in the background, and saves them. [`Taking::since`] takes one that starts from another: of the states
//! only what has changed is copied from the device.
//!
//! They are kept in a [`Directory`], or with the feature `object-store` in an `ObjectStore`: whatever the crate `object_store` makes look like
//! one, and with the features `aws`, `azure` and `gcp` these clouds.
//!
//! Supervised actors go back to their last checkpoint if their specification says so: [`Restore`](crate::guardian::Restore).

mod cut;
mod error;
mod every;
pub(crate) mod restore;
mod scope;
mod state;
mod taking;

pub use error::{CheckpointError, RestoreError, StateError};
pub use every::{Every, Periodic, every};
pub use resident_checkpoint::*;
pub use scope::Scope;
pub use state::StateOf;
pub use taking::{Since, Taking};
