//! Waiting for the end of an actor.

use ractor::ActorCell;

/// Waits until an actor, resident or not, has ended: its `post_stop` has run, or it was killed. Answers at once where that was
/// before, which ractor's `monitor` does not.
pub async fn watch(actor: impl Into<ActorCell>) {
    let actor = actor.into();
    // Without a limit there is no timeout.
    let _ = actor.wait(None).await;
}
