//! A system without a framework: a task controls it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use resident_gpu::device::DeviceFault;
use tokio::sync::watch;

use crate::error::StartError;
use crate::system::control::{Control, Guard};
use crate::system::stop::Stopper;

/// The task, as its system knows it.
struct Task {
    /// Dropped, it is an order to stop.
    order: Mutex<Option<watch::Sender<()>>>,
    /// Closed when it has ended.
    over: watch::Receiver<()>,
}

/// Leaves a system to a task.
pub(crate) async fn attend(stopper: Arc<Stopper>) -> Result<Arc<dyn Control>, StartError> {
    let (order, mut ordered) = watch::channel(());
    let (running, over) = watch::channel(());
    let guard = Guard(stopper);
    tokio::spawn(async move {
        let _running = running;
        // Closed, never changed.
        let _ = ordered.changed().await;
        guard.0.stop().await;
    });
    Ok(Arc::new(Task { order: Mutex::new(Some(order)), over }))
}

impl Control for Task {
    fn lost(&self, _: DeviceFault) {
        // Its actors hear of it, each by itself.
    }

    fn stop(&self) {
        *self.order.lock() = None;
    }

    fn stopped(&self) -> BoxFuture<'_, ()> {
        self.stop();
        let mut over = self.over.clone();
        Box::pin(async move { drop(over.changed().await) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::runtime::Runtime;

    use super::attend;
    use crate::config::Config;
    use crate::device::core::Core;
    use crate::system::System;

    async fn start() -> System {
        System::start_with(Config { shards: Some(1), ..Config::cpu() }, attend).await.unwrap()
    }

    fn ended(core: &Arc<Core>) {
        for _ in 0..6000 {
            if core.has_ended() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the device goes on");
    }

    #[test]
    fn a_system_without_a_framework_stops_in_order_and_with_its_last_handle_and_with_its_runtime() {
        let runtime = Runtime::new().unwrap();
        let system = runtime.block_on(start());
        let report = runtime.block_on(system.stop());
        assert!(report.device.is_ok() && system.fleet().first().has_ended(), "{report:?}");

        let system = runtime.block_on(start());
        let core = system.fleet().first().clone();
        drop(system);
        ended(&core);
        assert!(core.lost().is_none(), "it was stopped in order");

        let system = runtime.block_on(start());
        drop(runtime);
        ended(system.fleet().first());
        assert!(system.fleet().lost().is_some(), "nobody could stop it in order");
    }
}
