//! States in a checkpoint as values of their types.

use resident_checkpoint::{Actor as Saved, Checkpoint, Kind as SavedKind};
use resident_kernels::actor::{Actor, Kind};

use super::error::StateError;

/// Looks at states in a [`Checkpoint`] as what they are.
pub trait StateOf {
    /// The state of the actor of this name, through the kind's `migrate` if its layout has changed since.
    fn state_of<A: Actor>(&self, name: &str) -> Result<A, StateError>;

    /// The state of one of the checkpoint's actors.
    fn state_at<A: Actor>(&self, actor: &Saved) -> Result<A, StateError>;
}

impl StateOf for Checkpoint {
    fn state_of<A: Actor>(&self, name: &str) -> Result<A, StateError> {
        let actor = self.named(name).ok_or_else(|| StateError::Name(name.to_owned()))?;
        self.state_at(actor)
    }

    fn state_at<A: Actor>(&self, actor: &Saved) -> Result<A, StateError> {
        let saved = self.kind_of(actor);
        if saved.name != A::KIND.name {
            return Err(StateError::Kind { key: actor.key, saved: saved.name.clone(), wanted: A::KIND.name });
        }
        if fits(saved, A::KIND) {
            return Ok(A::decode(&self.state(actor)));
        }
        let mut state = vec![0; size_of::<A>()];
        fill(self, actor, A::KIND, &mut state)?;
        Ok(A::decode(&state))
    }
}

/// Whether states of the saved kind are states of `kind`, byte for byte.
fn fits(saved: &SavedKind, kind: &Kind) -> bool {
    (saved.layout, saved.state_bytes) == (kind.layout, kind.state_bytes)
}

/// Writes the state of `actor` as one of `kind`: as it is, or migrated. `into` has `state_bytes` bytes.
pub(crate) fn fill(checkpoint: &Checkpoint, actor: &Saved, kind: &'static Kind, into: &mut [u8]) -> Result<(), StateError> {
    let saved = checkpoint.kind_of(actor);
    if fits(saved, kind) {
        let mut rest = into;
        for run in checkpoint.runs(actor) {
            let (here, behind) = rest.split_at_mut(run.len());
            here.copy_from_slice(run);
            rest = behind;
        }
        return Ok(());
    }
    let migrate = kind.migrate.ok_or(StateError::Layout { kind: kind.name, saved: saved.layout, present: kind.layout })?;
    match migrate(saved.layout, &checkpoint.state(actor), into) {
        true => Ok(()),
        false => Err(StateError::Migrate { kind: kind.name, key: actor.key, saved: saved.layout }),
    }
}
