//! The frameworks whose actors resident actors are: each has a folder, and nobody below names one.

#[cfg(feature = "actix")]
pub(crate) mod actix;
#[cfg(any(feature = "ractor", feature = "actix"))]
mod guardian;
#[cfg(feature = "ractor")]
pub(crate) mod ractor;

use crate::config::Config;
use crate::error::StartError;
use crate::system::System;

impl System {
    /// Starts a system on the first GPU, if it can be used, else on the CPU device, unless `config` says which devices. All of them run then,
    /// or none.
    ///
    /// Call it in the tokio runtime that is to run the actors' proxies. That one has timers, and its time is not paused, now or later
    /// (`tokio::time::pause`, `start_paused`): a device's time is the real one, so in paused time every wait for it that has a limit is over at
    /// once. Calls time out, and a stop kills what it should drain.
    pub async fn start(config: Config) -> Result<System, StartError> {
        #[cfg(feature = "ractor")]
        use self::ractor::control::attend;
        #[cfg(not(feature = "ractor"))]
        use crate::system::alone::attend;

        System::start_with(config, attend).await
    }
}
