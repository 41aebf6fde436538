//! Messages to other devices of the system: taken from a shard's ring, and brought to the shard of their receiver.

use resident_gpu::ring::Frame;
use resident_kernels::wire::{OP_ASK_IN, OP_ASK_OUT, OP_TELL_IN, OP_TELL_OUT, ReplyTo, SHARD_BITS};

use crate::device::core::Core;
use crate::shard::relay::{Relay, Relayed};

/// The shard of a receiver.
#[derive(Clone, Copy)]
struct Place {
    device: usize,
    shard: usize,
}

/// Brings what the actors of one shard send to other devices, in its order.
#[derive(Default)]
pub(crate) struct Outward {
    /// One that there was no room for, with nothing behind it taken.
    held: Option<(Place, Relayed)>,
}

impl Outward {
    /// Whether one waits for room.
    pub(crate) fn waits(&self) -> bool {
        self.held.is_some()
    }

    /// Brings a frame, or keeps it; an error says what the device cannot have meant.
    pub(crate) fn take(&mut self, core: &Core, frame: &Frame<'_>) -> Result<(), String> {
        let (to, frame) = inward(frame)?;
        if bring(core, to, &frame) == Relay::Wait {
            self.held = Some((to, Relayed::of(&frame)));
        }
        Ok(())
    }

    /// Brings the one that waits, once there is room. True if none waits any more.
    pub(crate) fn goes_on(&mut self, core: &Core) -> bool {
        if let Some((to, relayed)) = &self.held {
            if bring(core, *to, &relayed.frame()) == Relay::Wait {
                // Nobody looks for room once more.
                if !core.has_ended() {
                    return false;
                }
                core.dead_letter();
            }
            self.held = None;
        }
        true
    }
}

/// To whom a frame goes, and as what.
fn inward<'f>(frame: &Frame<'f>) -> Result<(Place, Frame<'f>), String> {
    let op = match frame.op {
        OP_TELL_OUT => OP_TELL_IN,
        OP_ASK_OUT if frame.payload.len() >= size_of::<ReplyTo>() => OP_ASK_IN,
        op => return Err(format!("a message to another device with op {op} and {} bytes", frame.payload.len())),
    };
    let (route, correlation) = ((frame.correlation >> 16) as usize, frame.correlation & 0xffff);
    let to = Place { device: route >> SHARD_BITS, shard: route & ((1 << SHARD_BITS) - 1) };
    Ok((to, Frame { op, correlation, ..*frame }))
}

/// Brings a frame to its shard; one that nobody takes is a dead letter of the sender's device.
fn bring(core: &Core, to: Place, frame: &Frame<'_>) -> Relay {
    let relay = core.shared.port(to.device, to.shard).map_or(Relay::Refused, |port| port.relay(frame));
    match relay {
        Relay::Taken => core.metrics.relayed(),
        Relay::Refused => core.dead_letter(),
        Relay::Wait => {}
    }
    relay
}

#[cfg(test)]
mod tests {
    use super::*;

    /// U-3.
    #[test]
    fn who_a_frame_is_for() {
        let frame =
            Frame { op: OP_ASK_OUT, message: 5, row: 6, generation: 7, correlation: 0xf00a_1234, payload: &[8; 16], ..Frame::default() };
        let (Place { device, shard }, inward_frame) = inward(&frame).unwrap();
        assert_eq!((device, shard), (15, 10));
        assert_eq!(inward_frame, Frame { op: OP_ASK_IN, correlation: 0x1234, ..frame });
        assert_eq!(inward(&Frame { op: OP_TELL_OUT, ..Frame::default() }).unwrap().1.op, OP_TELL_IN);
        assert!(inward(&Frame { payload: &[8; 15], ..frame }).is_err_and(|text| text.contains("15 bytes")));
    }
}
