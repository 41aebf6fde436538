//! Waiting for room in a ring.

use super::port::Port;

impl Port {
    /// Tries, and waits for more room if there was none: what came of it, or what the try gives back to be tried again.
    pub(crate) async fn try_or_wait<S, T>(&self, state: S, attempt: impl FnOnce(S) -> Result<T, S>) -> Result<T, S> {
        let _thirst = self.thirst();
        let room = self.credit.notified();
        tokio::pin!(room);
        // From here on no notice is missed; what came before, this try sees.
        room.as_mut().enable();
        let back = match attempt(state) {
            Ok(done) => return Ok(done),
            Err(back) => back,
        };
        room.await;
        Err(back)
    }

    /// Tries until something comes of it, waiting for room in between.
    pub(crate) async fn with_room<S, T>(&self, mut state: S, mut attempt: impl FnMut(S) -> Result<T, S>) -> T {
        loop {
            match self.try_or_wait(state, &mut attempt).await {
                Ok(done) => return done,
                Err(back) => state = back,
            }
        }
    }
}
