//! An actor's life over its incarnations, decided: `event -> actions`, without a lock, a clock or a device of its own. Its
//! [`Home`](super::home::Home) hears the events and carries the actions out.
//!
//! | phase of the last incarnation | messages are taken | the actor rests | comes to be by |
//! | --- | --- | --- | --- |
//! | `Starting` | yes | | its beginning |
//! | `Live` | yes | | the device's word that it has the actor |
//! | `Failed` | no | | a fault |
//! | `Stopping` | no | yes | its keeper, once that is to hear of the fault; a rest; the actor's end |
//! | `Released` | no | yes | the device's word that row and state are free |
//!
//! Besides that the actor may be over: nobody keeps it, or its proxy has come to its end, and no other incarnation begins. Then one that
//! rests has ended for good.

#[cfg(test)]
mod tests;

/// What has become of an incarnation. Only rises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// On its way to the device; what it is sent comes behind.
    #[default]
    Starting,
    /// The device has it.
    Live,
    /// It has failed, and its stop is still to come.
    Failed,
    /// Its stop is on the way.
    Stopping,
    /// Row and state are free again.
    Released,
}

/// What has happened; to the incarnation of this number, where one is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The device has it.
    Arrived(u64),
    /// It has failed: the fault is recorded.
    Failed(u64),
    /// It has failed, and the call that failed has ended: whoever is to hear of the fault may.
    Told(u64),
    /// The keeper has gone, and has not heard of the fault.
    Unheard,
    /// The keeper ends the incarnation, and has it leave out what it was sent if that is to be abrupt.
    Rest { abruptly: bool },
    /// The proxy stops.
    Finish,
    /// The proxy has gone, whether it has stopped or not.
    Abandon,
    /// The keeper starts no other one.
    Retire,
    /// The device has acknowledged its stop.
    Released(u64),
    /// The next incarnation is on its way to the device.
    Begun,
}

/// What is to be done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Have the device leave out what the incarnation was sent and has not handled.
    Kill,
    /// Have the device stop it behind what it was sent, and ask for the state of one that has failed. Once for each.
    Stop,
    /// Handles send to the incarnation that has begun.
    Open,
    /// Whoever waits for the next incarnation, or for the end, looks again.
    Wake,
    /// The keeper hears of the fault.
    Tell,
    /// The proxy stops, and says why.
    StopProxy,
    /// The proxy ends at once.
    KillProxy,
}

/// An actor's life.
#[derive(Debug)]
pub(crate) struct Life {
    /// A keeper decides what follows on a fault; else the proxy ends with it.
    kept: bool,
    over: bool,
    /// The last incarnation that has begun.
    number: u64,
    phase: Phase,
    /// What has become of the one after it, which is on its way and has not begun.
    coming: Phase,
}

impl Life {
    /// The life of an actor whose first incarnation has begun.
    pub(crate) fn new(kept: bool) -> Life {
        Life { kept, over: false, number: 1, phase: Phase::Starting, coming: Phase::Starting }
    }

    /// Whether it has ended for good, or is about to: no other incarnation begins.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Whether the last incarnation is there, and was not told to stop.
    pub(crate) fn is_live(&self) -> bool {
        !self.over && self.phase < Phase::Stopping
    }

    /// Whether the device is still to say that it has the last incarnation.
    pub(crate) fn is_starting(&self) -> bool {
        self.phase == Phase::Starting
    }

    /// Whether the next incarnation may begin: the last one was told to stop, and nobody has ended the actor.
    pub(crate) fn rests(&self) -> bool {
        self.kept && !self.over && self.phase >= Phase::Stopping
    }

    /// What is to be done about `event`.
    pub(crate) fn on(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Arrived(number) => self.rise(number, Phase::Live),
            Event::Failed(number) => self.rise(number, Phase::Failed),
            Event::Released(number) => self.rise(number, Phase::Released),
            Event::Told(_) if !self.kept => vec![Action::StopProxy],
            Event::Told(number) if number == self.number => self.fault(),
            Event::Told(_) => Vec::new(),
            Event::Unheard => vec![Action::StopProxy],
            Event::Rest { .. } if self.over => Vec::new(),
            Event::Rest { abruptly } => abruptly.then_some(Action::Kill).into_iter().chain(self.stop()).collect(),
            Event::Finish => self.end().chain(self.stop()).collect(),
            Event::Abandon => self.end().chain(self.stop().into_iter().flat_map(|stop| [Action::Kill, stop])).collect(),
            Event::Retire if self.phase == Phase::Released => self.end().chain([Action::StopProxy]).collect(),
            Event::Retire => self.end().chain([Action::KillProxy]).collect(),
            Event::Begun if self.rests() => self.begin(),
            // Whoever has sent it takes it back.
            Event::Begun => {
                self.coming = Phase::Starting;
                Vec::new()
            }
        }
    }

    /// An incarnation has come to this phase, unless it is further.
    fn rise(&mut self, number: u64, to: Phase) -> Vec<Action> {
        if number == self.number {
            self.phase = self.phase.max(to);
        } else if number == self.number + 1 {
            self.coming = self.coming.max(to);
        }
        Vec::new()
    }

    /// H-3: the fault of the last incarnation is told, unless it stops for another reason.
    fn fault(&mut self) -> Vec<Action> {
        if self.phase != Phase::Failed || self.over {
            return Vec::new();
        }
        self.stop().into_iter().chain([Action::Tell]).collect()
    }

    /// The last incarnation is to stop, once.
    fn stop(&mut self) -> Option<Action> {
        if self.phase >= Phase::Stopping {
            return None;
        }
        self.phase = Phase::Stopping;
        Some(Action::Stop)
    }

    /// No other incarnation begins.
    fn end(&mut self) -> std::array::IntoIter<Action, 1> {
        self.over = true;
        [Action::Wake].into_iter()
    }

    /// H-1: the next incarnation is the last one.
    fn begin(&mut self) -> Vec<Action> {
        self.number += 1;
        self.phase = std::mem::take(&mut self.coming);
        let mut actions = vec![Action::Open, Action::Wake];
        // A fault that came before was not the last one's.
        actions.extend(self.fault());
        actions
    }
}
