//! Derives, `#[actor]` and `export!` of `resident-kernels`, which re-exports them; use them from there.

use proc_macro::TokenStream;

mod actor;
mod export;
mod message_enum;
mod plain;
mod role;

/// Makes a struct plain: it may be a field of a state, a message, a reply or an emitted message.
///
/// Needs `#[repr(C)]`, and fields that are plain.
#[proc_macro_derive(Plain)]
pub fn derive_plain(input: TokenStream) -> TokenStream {
    role::derive(input, None)
}

/// Makes a struct the state of an actor, of at most 64 KiB.
///
/// A struct with more than one role derives one and names the others: `#[derive(State)] #[also(Reply)]`.
#[proc_macro_derive(State, attributes(also, reply))]
pub fn derive_state(input: TokenStream) -> TokenStream {
    role::derive(input, Some(role::Role::State))
}

/// Makes a struct a message to a resident actor, of at most 960 bytes.
///
/// `#[reply(T)]` names what its handler returns; without it, nothing. A struct with more than one role derives
/// one and names the others: `#[derive(Message)] #[also(Emit)]`.
#[proc_macro_derive(Message, attributes(also, reply))]
pub fn derive_message(input: TokenStream) -> TokenStream {
    role::derive(input, Some(role::Role::Message))
}

/// Makes a struct what a handler may return, of at most 960 bytes.
///
/// A struct with more than one role derives one and names the others: `#[derive(Reply)] #[also(Emit)]`.
#[proc_macro_derive(Reply, attributes(also, reply))]
pub fn derive_reply(input: TokenStream) -> TokenStream {
    role::derive(input, Some(role::Role::Reply))
}

/// Makes a struct what a handler may send to a CPU actor with `ctx.emit`, of at most 960 bytes.
///
/// A struct with more than one role derives one and names the others: `#[derive(Emit)] #[also(Reply)]`.
#[proc_macro_derive(Emit, attributes(also, reply))]
pub fn derive_emit(input: TokenStream) -> TokenStream {
    role::derive(input, Some(role::Role::Emit))
}

/// Makes a state an actor: every method of the block handles the message that it names.
///
/// A handler is `fn name(&mut self, msg: &SomeMessage, ctx: &mut Ctx)`, and returns the message's reply if it
/// has one. Helper functions go to another `impl` block.
///
/// `#[actor(budget_ms = 250)]` says how long one message may take before the device counts as hung; a second unless said.
///
/// `#[actor(width = warp)]` asks for the lanes of a warp, and `width = block` for those of a block that have nothing else to do: what handlers
/// give to `ctx.lanes()` they do together. A lane, unless said.
///
/// `#[actor(migrate = from_older)]` names a `fn(layout: u64, old: &[u8]) -> Option<State>` that makes a state of one that was saved in
/// a checkpoint when its type was another: `layout` is that type's `Plain::LAYOUT`, `old` its bytes. `None` refuses it. Keep the old
/// type, to decode with and to compare `layout` with; it runs on the host alone.
#[proc_macro_attribute]
pub fn actor(args: TokenStream, input: TokenStream) -> TokenStream {
    actor::expand(args.into(), input.into()).into()
}

/// Exports the crate's actors, once in a handler crate: `resident_kernels::export!(Aircraft, Gate);`.
///
/// On the GPU it is the engine's entry and the table of kinds; on the host it lists the kinds, and the GPU code
/// that the crate's build script has made (`fn main() { resident_build::handlers() }`), for the application.
#[proc_macro]
pub fn export(input: TokenStream) -> TokenStream {
    export::expand(input.into()).into()
}

/// One step on the way to an actor's message enum, see `message_enum.rs`.
#[doc(hidden)]
#[proc_macro]
pub fn __message_enum(input: TokenStream) -> TokenStream {
    message_enum::step(input.into()).into()
}
