//! What somebody asks for: start, terminate, restart and delete a child, other settings.

use super::Supervisor;
use crate::children::Stage;
use crate::{
    Action, AdminError, AutoShutdown, Child, ChildKey, ChildSpec, Flags, Invalid, Kind, Reply, Request, RequestId, Restart, Start,
    Strategy, Target,
};

impl<C> Supervisor<C> {
    pub(super) fn request(&mut self, id: RequestId, request: Request) {
        let answer = match request {
            _ if self.is_ending() => Err(AdminError::ShuttingDown),
            Request::StartChild(spec) => self.start_child(id, spec),
            Request::TerminateChild(target) => self.terminate_child(id, target),
            Request::RestartChild(target) => self.restart_child(id, target),
            Request::DeleteChild(target) => self.delete_child(target),
            Request::Reconfigure(flags) => self.reconfigure(flags),
        };
        match answer {
            Ok(Some(reply)) => self.reply(id, Ok(reply)),
            Ok(None) => {}
            Err(error) => self.reply(id, Err(error)),
        }
    }

    /// Whether a specification is right, also beside the children that are there.
    pub(super) fn check(&self, spec: &ChildSpec) -> Result<(), Invalid> {
        let id = || spec.id.clone();
        if spec.significant && spec.restart == Restart::Permanent {
            return Err(Invalid::SignificantPermanent(id()));
        }
        if spec.significant && self.flags.auto_shutdown == AutoShutdown::Never {
            return Err(Invalid::SignificantNever(id()));
        }
        if spec.backoff.is_some_and(|backoff| backoff.min > backoff.max) {
            return Err(Invalid::Backoff(id()));
        }
        if spec.kind == Kind::Device {
            let lives_on_it = |other: &ChildSpec| other.device.as_ref() == Some(&spec.id);
            let siblings = self.children.iter().map(|(_, record)| &record.spec);
            if let Some(early) = siblings.chain([spec]).find(|other| lives_on_it(other)) {
                return Err(Invalid::BeforeItsDevice(early.id.clone()));
            }
        }
        Ok(())
    }

    fn start_child(&mut self, id: RequestId, spec: ChildSpec) -> Answer<C> {
        if let Strategy::Dynamic { max_children: Some(limit) } = self.flags.strategy
            && self.children.len() >= limit
        {
            return Err(AdminError::MaxChildren(limit));
        }
        if let Some((key, record)) = self.children.find(&spec.id).and_then(|key| Some((key, self.children.get(key)?))) {
            return Err(match record.stage() {
                Stage::Idle | Stage::Delayed | Stage::AwaitsDevice | Stage::Ready => AdminError::AlreadyPresent,
                _ => AdminError::AlreadyStarted(Child { key, incarnation: record.incarnation }),
            });
        }
        self.check(&spec).map_err(AdminError::Invalid)?;
        let child = self.children.add(spec, Some(id));
        self.actions.push(Action::Accept { request: id, child });
        Ok(None)
    }

    fn terminate_child(&mut self, id: RequestId, target: Target) -> Answer<C> {
        if let Target::Key(key) = target
            && self.flags.is_dynamic()
            && self.children.get(key).is_none()
            && self.children.was_added(key)
        {
            return Ok(Some(Reply::Done));
        }
        let key = self.resolve(target)?;
        let record = self.children.get_mut(key).ok_or(AdminError::NotFound)?;
        match record.stage() {
            Stage::Idle => return Ok(Some(Reply::Done)),
            Stage::Zombie => {
                record.wanted = false;
                return Err(AdminError::Zombie);
            }
            _ => record.stoppers.push(id),
        }
        self.unwant(key, AdminError::Terminated);
        Ok(None)
    }

    fn restart_child(&mut self, id: RequestId, target: Target) -> Answer<C> {
        let key = self.resolve_stopped(target)?;
        if let Some(record) = self.children.get_mut(key) {
            record.wanted = true;
            record.start = Start::Again;
            record.starter = Some(id);
        }
        self.children.set(key, Stage::Ready, None);
        Ok(None)
    }

    fn delete_child(&mut self, target: Target) -> Answer<C> {
        let key = self.resolve_stopped(target)?;
        self.forget(key);
        Ok(Some(Reply::Done))
    }

    fn reconfigure(&mut self, flags: Flags) -> Answer<C> {
        flags.check().map_err(AdminError::Invalid)?;
        if flags.is_dynamic() != self.flags.is_dynamic() {
            return Err(AdminError::Invalid(Invalid::DynamicChanged));
        }
        if flags.auto_shutdown == AutoShutdown::Never
            && let Some((_, record)) = self.children.iter().find(|(_, record)| record.spec.significant)
        {
            return Err(AdminError::Invalid(Invalid::SignificantNever(record.spec.id.clone())));
        }
        self.flags = flags;
        Ok(Some(Reply::Done))
    }

    fn resolve(&self, target: Target) -> Result<ChildKey, AdminError<C>> {
        match target {
            Target::Id(_) if self.flags.is_dynamic() => Err(AdminError::Dynamic),
            Target::Id(id) => self.children.find(&id).ok_or(AdminError::NotFound),
            Target::Key(key) => Ok(key),
        }
    }

    /// A child that may be restarted or deleted.
    fn resolve_stopped(&self, target: Target) -> Result<ChildKey, AdminError<C>> {
        if self.flags.is_dynamic() {
            return Err(AdminError::Dynamic);
        }
        let key = self.resolve(target)?;
        match self.children.get(key).ok_or(AdminError::NotFound)?.stage() {
            Stage::Idle => Ok(key),
            Stage::Delayed | Stage::AwaitsDevice | Stage::Ready | Stage::Starting => Err(AdminError::Restarting),
            Stage::Running | Stage::Condemned | Stage::Stopping | Stage::Killing | Stage::Zombie => Err(AdminError::Running),
        }
    }
}

/// What to reply at once, if anything.
type Answer<C> = Result<Option<Reply>, AdminError<C>>;
