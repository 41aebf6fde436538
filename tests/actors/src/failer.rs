//! Fails on demand, by its own word.

use resident_kernels::prelude::*;

/// Counts what it handled before it failed.
#[derive(State, Default, Debug, Clone, PartialEq)]
#[repr(C)]
pub struct Failer {
    /// Messages handled.
    pub handled: u64,
}

/// Fails with a fixed text.
#[derive(Message, Debug, Clone)]
pub struct Fail;

/// Fails with a code in the text if the code is not 0, else answers the messages handled.
#[derive(Message, Debug, Clone)]
#[reply(u64)]
#[repr(C)]
pub struct FailWith {
    /// The code.
    pub code: u32,
}

#[actor]
impl Failer {
    fn fail(&mut self, _: &Fail, ctx: &mut Ctx) {
        self.handled += 1;
        ctx.fail("asked to fail");
    }

    fn fail_with(&mut self, msg: &FailWith, ctx: &mut Ctx) -> u64 {
        self.handled += 1;
        if msg.code != 0 {
            ctx.fail(format_args!("asked to fail with code {}", msg.code));
        }
        self.handled
    }
}
