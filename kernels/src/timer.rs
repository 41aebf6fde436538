//! A message that is sent later, as its sender can take it back.

use crate::plain::Plain;
use crate::wire::{self, CtxRaw};

/// A message that [`Ctx::send_after`](crate::ctx::Ctx::send_after) sends later: [`Ctx::cancel`](crate::ctx::Ctx::cancel) takes it back.
///
/// It is a value like an address: it goes into states and messages. No two of a system are equal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(C)]
pub struct Timer {
    /// A stamp that its lane has given to nothing else; 0 for none.
    stamp: u64,
    /// The shard, and above [`wire::SHARD_BITS`] which of its system's devices has it.
    shard: u32,
    /// Tells a shard's lanes apart, which handle messages at the same time.
    lane: u32,
}

impl Timer {
    /// No message's: to cancel it does nothing.
    pub const NONE: Timer = Timer { stamp: 0, shard: 0, lane: 0 };

    /// Whether it is no message's.
    #[inline]
    pub fn is_none(&self) -> bool {
        self.stamp == 0
    }

    /// Which of its system's devices keeps the message.
    #[doc(hidden)]
    #[inline]
    pub fn device(&self) -> usize {
        (self.shard >> wire::SHARD_BITS) as usize
    }

    /// Another one for the message that is being handled.
    #[inline]
    pub(crate) fn next(ctx: &mut CtxRaw) -> Timer {
        // A lane's clock goes on from the last stamp of a message, and each lane has a room of its own. All of a shard's are in one block
        // of memory, far smaller than what the lower half of an address tells apart.
        ctx.hlc += 1;
        let device = ctx.system & ((1 << wire::DEVICE_BITS) - 1);
        Timer { stamp: ctx.hlc, shard: device << wire::SHARD_BITS | ctx.shard, lane: ctx.room as u32 }
    }

    fn words(&self) -> [u64; 2] {
        [self.stamp, u64::from(self.shard) | u64::from(self.lane) << 32]
    }
}

// SAFETY: three numbers in a struct of C's layout without padding; none of them means more than being equal or not.
unsafe impl Plain for Timer {
    const LAYOUT: u64 = wire::digest(b"Timer");

    fn encode(&self, out: &mut [u8]) {
        self.words().encode(out);
    }

    fn decode(bytes: &[u8]) -> Self {
        let [stamp, rest] = <[u64; 2]>::decode(bytes);
        Timer { stamp, shard: rest as u32, lane: (rest >> 32) as u32 }
    }
}
