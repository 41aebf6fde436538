//! What a system does, as `tracing` spans and events.
//!
//! | span | from, to | beside `system` and `device` it says |
//! | --- | --- | --- |
//! | `start` | a system's start | |
//! | `open` | the start of one of its devices | `shards` |
//! | `stop` | a stop in order | `drained`, `killed` |
//! | `takeover` | the loss of a worker, until another runs | `losses`, `class`, `took_us` |
//! | `checkpoint` | its call, until it is there | `actors`, `bytes`, `pause_us` |
//! | `restore` | its call, until the device has the actors | `kind`, `actors` |
//! | `spawn` | the start of an actor, at level `DEBUG` | `kind`, `actor` |
//! | `spawn_many` | the start of a group | `kind`, `members` |
//! | `restart` | the start of a supervised child's next incarnation | `supervisor`, `child`, `incarnation`, `reason` |
//! | `message` | a message that enters its ring, until it is answered, or handled where nobody waits | see below |
//! | `outward` | what an actor emits or sends to another device, in the pump that hands it on | `what`, `stamp`, `pump_us` |
//!
//! # Messages
//!
//! With [`Config::trace`](crate::Config::trace) one in so many messages has a span, within the one that its sender is in. It names the
//! receiver (`shard`, `row`, `generation`, `kind`), the `message`, the `path` and the `stamp` of its frame: a stamp is the time in
//! microseconds, shifted by 12 bits, and above those of all that came before. `device_us` is the time in the ring and in the handler, until
//! the device has stamped the reply, and `reply_us` from there to whoever waits. `end` is `replied`, `handled`, `failed`, `refused`, `late`,
//! `lost` or `unsent`; of a message without a reply line of its own, as a cast, it is `handled` once its shard has come past it.
//!
//! Messages from actor to actor on one device never meet the host, and have none; nor have those to a group and its members.
