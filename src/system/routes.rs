//! Where emitted messages go.

use resident_kernels::actor::Emit;

use crate::error::RouteError;
use crate::system::System;

impl System {
    /// Hands every emitted `E` to `take`, in place of where they went before. It says whether it takes the message, which is a dead letter
    /// otherwise; one that panics does not.
    ///
    /// It is called on a thread that fetches what the device says, which brings nothing else meanwhile: it hands on, and does not wait.
    ///
    /// # Errors
    ///
    /// [`RouteError::Collision`] if another type of emitted messages has the same number on the wire.
    ///
    /// ```
    /// # use resident_kernels::prelude::*;
    /// # #[derive(State, Default)] #[repr(C)] pub struct Gauge { pub last: u64 }
    /// # #[derive(Message)] #[repr(C)] pub struct Rise { pub by: u64 }
    /// # #[derive(Emit)] #[repr(C)] pub struct High { pub level: u64 }
    /// # #[actor]
    /// # impl Gauge { fn rise(&mut self, msg: &Rise, ctx: &mut Ctx) { self.last += msg.by; ctx.emit(High { level: self.last }); } }
    /// # resident_kernels::export!(Gauge);
    /// use resident::{Config, Handle, System};
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let system = System::start(Config::cpu()).await?;
    /// let (send, mut levels) = tokio::sync::mpsc::channel(16);
    /// system.route_to(move |high: High| send.try_send(high.level).is_ok())?;
    /// let gauge = Handle::spawn(None, Gauge::default(), &system).await?;
    /// gauge.send(Rise { by: 7 }).await?;
    /// assert_eq!(levels.recv().await, Some(7));
    /// # system.stop().await;
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
    /// ```
    pub fn route_to<E: Emit>(&self, take: impl Fn(E) -> bool + Send + Sync + 'static) -> Result<(), RouteError> {
        if !self.fleet().is_mine() {
            return Err(RouteError::Forked);
        }
        self.fleet().shared.routes.add(take)
    }
}
