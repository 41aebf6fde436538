//! Spans of takeovers, from where this process sees that a worker was lost to where it sees that another has taken over.

use resident_gpu::device::Loss;
use tracing::{Span, field, info_span};

use crate::device::core::Core;

/// What its device's leading pump has seen of losses.
#[derive(Default)]
pub(crate) struct Takeovers {
    losses: u64,
    /// Of one that goes on.
    span: Option<Span>,
}

impl Takeovers {
    /// Looks again.
    pub(crate) fn look(&mut self, core: &Core) {
        let (losses, Some(last)) = core.device.losses() else { return };
        if losses > self.losses {
            self.losses = losses;
            self.span = Some(begins(core, losses, &last));
        }
        if let (Some(span), Some(resumed)) = (&self.span, last.resumed) {
            let took = resumed - last.noticed;
            span.record("took_us", took.as_micros() as u64);
            span.in_scope(|| tracing::info!(system = core.system(), device = %core.name, ?took, "another worker has taken over"));
            self.span = None;
        }
    }
}

fn begins(core: &Core, losses: u64, last: &Loss) -> Span {
    let span =
        info_span!("takeover", system = core.system(), device = &*core.name, losses, class = ?last.fault.class, took_us = field::Empty);
    span.in_scope(|| tracing::warn!(system = core.system(), device = %core.name, losses, "a worker is lost: {}", last.fault));
    span
}
