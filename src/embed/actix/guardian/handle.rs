//! What a program that has actix finds behind the handle of a supervisor.

use std::any::Any;

use actix::{Actor, Addr, Context};
use resident_supervisor::Target;

use super::kept::Kept;
use crate::guardian::SupervisorRef;

impl SupervisorRef {
    /// The address of the present incarnation of a child that is an `A` of actix's, if it runs. After a restart it is another. That of a
    /// resident actor stays: [`handle`](Self::handle) has it.
    pub async fn addr<A: Actor<Context = Context<A>>>(&self, child: impl Into<Target>) -> Option<Addr<A>> {
        let found = self.find(child.into()).await?;
        let shell: &dyn Any = &*found.shell;
        Some(shell.downcast_ref::<Kept<A>>()?.addr().clone())
    }
}
