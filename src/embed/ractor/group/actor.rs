//! The ractor actor that stands for a whole group: it owns name, links and groups, and ends with its members.

use std::sync::{Arc, OnceLock};

use ractor::{ActorProcessingErr, ActorRef};
use resident_kernels::actor::Kind;

use crate::embed::ractor::shell::shell;
use crate::group::gather::Gathered;
use crate::group::members::Group;
use crate::group::table::Key;
use crate::system::System;

/// What the actor of a [`GpuGroup`](crate::GpuGroup) takes: nothing. Its members take messages by the group's own methods.
#[derive(Debug)]
#[non_exhaustive]
pub enum GroupMsg {
    /// A message from another node, which this actor does not take.
    #[doc(hidden)]
    Undeliverable,
}

resident_kernels::local_message!(GroupMsg, GroupMsg::Undeliverable);

/// The actor of a group.
pub(crate) struct GroupActor<K: Key> {
    /// Filled in by `pre_start`; who spawns reads it too. ractor drops this value when the actor has ended, however that came.
    pub group: Arc<OnceLock<Arc<Group<K>>>>,
}

/// What a group is started with.
pub(crate) struct Start<K> {
    pub system: System,
    pub kind: &'static Kind,
    pub gathered: Gathered<K>,
}

impl<K: Key> Drop for GroupActor<K> {
    fn drop(&mut self) {
        if let Some(group) = self.group.get() {
            group.abandon();
        }
    }
}

#[ractor::actor(message = GroupMsg, state = Arc<Group<K>>, arguments = Start<K>)]
impl<K: Key> GroupActor<K> {
    async fn pre_start(&self, myself: ActorRef<GroupMsg>, start: Start<K>) -> Result<Arc<Group<K>>, ActorProcessingErr> {
        let Start { system, kind, gathered: Gathered { index, members, states } } = start;
        let group = Group::new(&system, kind, shell(myself.get_cell()), index, members)?;
        let _ = self.group.set(group.clone());
        group.begin(Arc::new(states)).await?;
        Ok(group)
    }

    async fn handle(&self, _myself: ActorRef<GroupMsg>, _: GroupMsg, group: &mut Arc<Group<K>>) -> Result<(), ActorProcessingErr> {
        group.first().dead_letter();
        Ok(())
    }

    async fn post_stop(&self, _myself: ActorRef<GroupMsg>, group: &mut Arc<Group<K>>) -> Result<(), ActorProcessingErr> {
        Ok(group.stop().await?)
    }
}
