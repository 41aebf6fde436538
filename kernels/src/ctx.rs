//! What a handler may know and say while it runs.

use core::fmt;
use core::mem::{offset_of, size_of};
use core::ptr;
use core::time::Duration;

use crate::actor::{Actor, Emit, Handles, Message};
use crate::address::Address;
use crate::clock;
use crate::lanes::Lanes;
use crate::text::Text;
use crate::timer::Timer;
use crate::wire::{
    self, BIRTH_KIND, BIRTH_LARGE, BIRTH_NONE, CANCEL, CtxRaw, FAULT_FAILED, FAULT_NURSERY, HOLD_BYTES, HOLDS, HOLDS_CLOSED, INLINE_BYTES,
    LANE_BYTES, LANE_PLACE, LATER, LINK, LinkTo, MAX_FAULT_TEXT, MAX_PAYLOAD, OP_TELL, Outgoing, RawAddress, ReplyTo, SendLater,
};

/// What stands ahead of a message that is sent later: to whom and when, and its timer.
const LATER_BYTES: usize = size_of::<SendLater>() + size_of::<Timer>();

/// A handler's view of the engine while it handles one message.
pub struct Ctx<'a> {
    pub(crate) raw: &'a mut CtxRaw,
    /// What `raw` says of the places for what is sent, so that it is in registers from one message to the next.
    places: u32,
    placed: u32,
    held: u32,
    /// Whether `raw` says that the actor has failed, or that it has asked for its end.
    failed: bool,
    ended: bool,
}

impl<'a> Ctx<'a> {
    /// A context over what the engine, or a test of a handler, has filled in.
    ///
    /// # Safety
    ///
    /// The [`ROOM_BYTES`](wire::ROOM_BYTES) bytes at [`CtxRaw::room`], whose provenance is exposed, are this context's while it lives.
    #[inline]
    pub unsafe fn new(raw: &'a mut CtxRaw) -> Self {
        let (places, placed, held) = (raw.places, raw.placed, raw.held);
        Ctx { raw, places, placed, held, failed: false, ended: false }
    }

    /// Calls the engine.
    #[inline(always)]
    fn engine<T>(&mut self, call: impl FnOnce(&mut CtxRaw) -> T) -> T {
        let said = call(self.raw);
        (self.places, self.placed, self.held) = (self.raw.places, self.raw.placed, self.raw.held);
        self.failed |= self.raw.fault != 0;
        said
    }

    /// Whether the actor handles nothing behind this message.
    #[inline(always)]
    pub(crate) fn stops(&self) -> bool {
        self.failed | self.ended
    }

    /// Microseconds since the Unix epoch, by the shard's hybrid logical clock: never before the message was sent.
    #[inline]
    pub fn now(&self) -> u64 {
        clock::micros(self.raw.hlc)
    }

    /// The stamp of this message by the shard's hybrid logical clock; see [`clock`]. Each [`send_after`](Self::send_after) moves it on.
    #[inline]
    pub fn hlc(&self) -> u64 {
        self.raw.hlc
    }

    /// This actor's address: `ctx.address::<Self>()`. Whom it is sent to may send to this actor.
    #[inline]
    pub fn address<A>(&self) -> Address<A> {
        Address::new(self.raw.system, self.raw.shard, self.raw.row, self.raw.generation)
    }

    /// The address of the actor called `name`, if there is one and it is an `A`: the name that it was spawned with, which is ractor's.
    /// An actor that was restarted has another address; the old one leads nowhere, so look its name up anew. Members of groups have
    /// no names.
    ///
    /// A name is found from when the device has the actor until it ends or fails. To look one up reads host memory, on a GPU for a
    /// microsecond or two: keep the address.
    ///
    /// ```
    /// use resident_kernels::prelude::*;
    ///
    /// #[derive(State, Default)]
    /// #[repr(C)]
    /// struct Tower {
    ///     landings: u64,
    /// }
    ///
    /// #[derive(State, Default)]
    /// #[repr(C)]
    /// struct Aircraft {
    ///     tower: Address<Tower>,
    /// }
    ///
    /// #[derive(Message)]
    /// struct Land;
    ///
    /// #[actor]
    /// impl Tower {
    ///     fn land(&mut self, _: &Land, _ctx: &mut Ctx) {
    ///         self.landings += 1;
    ///     }
    /// }
    ///
    /// #[actor]
    /// impl Aircraft {
    ///     fn land(&mut self, _: &Land, ctx: &mut Ctx) {
    ///         if self.tower.is_nobody() {
    ///             match ctx.lookup::<Tower>("JFK") {
    ///                 Some(tower) => self.tower = tower,
    ///                 None => return ctx.fail("nobody is in the tower"),
    ///             }
    ///         }
    ///         ctx.send(&self.tower, Land);
    ///     }
    /// }
    /// # resident_kernels::export!(Tower, Aircraft);
    /// # fn main() {}
    /// ```
    #[inline]
    pub fn lookup<A: Actor>(&mut self, name: &str) -> Option<Address<A>> {
        let mut found = RawAddress { system: 0, row: 0, generation: 0, shard: 0 };
        // SAFETY: `found` lives until the call returns, and `raw` is the context that the engine has handed out.
        let is_there =
            self.engine(|raw| unsafe { lookup(raw, wire::digest(name.as_bytes()), const { A::KIND.tag() as u32 }, &raw mut found) });
        (is_there != 0).then(|| Address::new(found.system, found.shard, found.row, found.generation))
    }

    /// Sends `msg` to another actor of this system, or to this one: it is handled there some time later, after what this actor has
    /// sent there before. Its reply, if it has one, is dropped. To an actor of another device it goes by the host, and waits, as
    /// [`emit`](Self::emit) does, while that takes its time.
    ///
    /// Does not wait. Whoever has stopped or failed, or never was there, does not get it: it is a dead letter, which the application
    /// counts. Nothing goes out before the handler has come to its end, and nothing if it panics or fails. What one message sends and emits
    /// takes 4,096 slots at most (a message of up to 28 bytes takes one); with more, or if the outbox of its warp stays full, it fails.
    ///
    /// ```
    /// use resident_kernels::prelude::*;
    ///
    /// #[derive(State, Default)]
    /// #[repr(C)]
    /// struct Runner {
    ///     next: Address<Runner>,
    ///     laps: u64,
    /// }
    ///
    /// #[derive(Message)]
    /// #[repr(C)]
    /// struct Baton {
    ///     legs: u64,
    /// }
    ///
    /// #[actor]
    /// impl Runner {
    ///     fn baton(&mut self, msg: &Baton, ctx: &mut Ctx) {
    ///         self.laps += 1;
    ///         if msg.legs > 0 {
    ///             ctx.send(&self.next, Baton { legs: msg.legs - 1 });
    ///         }
    ///     }
    /// }
    /// # resident_kernels::export!(Runner);
    /// # fn main() {}
    /// ```
    #[inline]
    pub fn send<A: Handles<M>, M: Message>(&mut self, to: &Address<A>, msg: M) {
        let message = const { tagged::<A>(A::INDEX) };
        if const { size_of::<M>() <= INLINE_BYTES }
            && !self.failed
            && let Some(place) = self.take_place(to.raw().system)
        {
            return self.place(place, to.raw(), message, msg);
        }
        let payload = (&raw const msg).cast::<u8>();
        // SAFETY: `payload` points to `size_of::<M>()` bytes that live until the call returns, and `raw` is the context that the
        // engine has handed out.
        self.engine(|raw| unsafe { send(raw, to.raw(), message, payload, size_of::<M>() as u32, ptr::null()) });
    }

    /// Where the next frame of one slot goes, if there is room: as many as the actor has messages into places in shared memory, and some behind
    /// them that are for this device.
    #[inline]
    fn take_place(&mut self, system: u32) -> Option<*mut Outgoing> {
        if self.places != 0 {
            let lane = self.places.trailing_zeros();
            self.places &= self.places - 1;
            self.placed |= 1 << lane;
            (self.raw.places, self.raw.placed) = (self.places, self.placed);
            return Some(self.raw.lanes_at().wrapping_add(lane as usize * LANE_BYTES + LANE_PLACE).cast());
        }
        let held = self.held as usize;
        (held < HOLDS && system == self.raw.system).then(|| {
            self.held += 1;
            self.raw.held = self.held;
            ptr::with_exposed_provenance_mut::<u8>(self.raw.holds as usize).wrapping_add(held * HOLD_BYTES).cast()
        })
    }

    /// Leaves a message in the place that the engine offers, which is a matter of some stores.
    #[inline]
    fn place<M: Message>(&mut self, place: *mut Outgoing, to: &RawAddress, message: u32, msg: M) {
        let RawAddress { system, row, generation, shard } = *to;
        let (correlation, message) = (message >> 16, message & 0xffff);
        let bytes = size_of::<M>() as u32;
        // SAFETY: the engine has said that there is room for an `Outgoing`, aligned, and for `INLINE_BYTES` bytes behind it, which are this
        // handler's until `place` is zero.
        unsafe {
            place.write(Outgoing { op: u32::from(OP_TELL), to: shard, row, generation, correlation, message, bytes, system });
            place.add(1).cast::<M>().write(msg);
        }
    }

    /// Sends `msg` to another actor, whose reply comes as a message to the one at `reply_to`: most often this one,
    /// `&ctx.address::<Self>()`. The reply's type is a message that it handles.
    ///
    /// As [`send`](Self::send). Whoever is not there any more does not answer.
    #[inline]
    pub fn ask<A, M, R>(&mut self, to: &Address<A>, msg: M, reply_to: &Address<R>)
    where
        A: Handles<M>,
        M: Message<Reply: Message>,
        R: Handles<M::Reply>,
    {
        const { assert!(size_of::<M>() + size_of::<ReplyTo>() <= MAX_PAYLOAD, "a message that is asked takes 944 bytes at most") };
        let reply = reply_to.reply_to(self.raw.system, const { tagged::<R>(R::INDEX) });
        let payload = (&raw const msg).cast::<u8>();
        // SAFETY: as in `send`; `reply` lives until the call returns.
        self.engine(|raw| unsafe {
            send(raw, to.raw(), const { tagged::<A>(A::INDEX) }, payload, size_of::<M>() as u32, &raw const reply)
        });
    }

    /// Sends `msg` to another actor, or to this one, once `after` has passed, to about a millisecond. The application keeps it until then,
    /// so it outlives the worker; what is not due when the system stops is dropped.
    ///
    /// As [`emit`](Self::emit) it waits while the host takes its time, and as [`send`](Self::send) it is a dead letter if its receiver is not
    /// there any more. It comes in no order with what was sent otherwise. [`cancel`](Self::cancel) takes it back.
    ///
    /// ```
    /// use core::time::Duration;
    /// use resident_kernels::prelude::*;
    ///
    /// #[derive(State, Default)]
    /// #[repr(C)]
    /// struct Session {
    ///     requests: u64,
    ///     seen: u64,
    /// }
    ///
    /// #[derive(Message)]
    /// struct Request;
    ///
    /// #[derive(Message)]
    /// struct Check;
    ///
    /// #[actor]
    /// impl Session {
    ///     fn request(&mut self, _: &Request, ctx: &mut Ctx) {
    ///         self.requests += 1;
    ///         if self.requests == 1 {
    ///             let me = ctx.address::<Self>();
    ///             ctx.send_after(Duration::from_secs(30), &me, Check);
    ///         }
    ///     }
    ///
    ///     fn check(&mut self, _: &Check, ctx: &mut Ctx) {
    ///         if self.requests == self.seen {
    ///             return ctx.stop_self(); // nothing came for half a minute
    ///         }
    ///         self.seen = self.requests;
    ///         let me = ctx.address::<Self>();
    ///         ctx.send_after(Duration::from_secs(30), &me, Check);
    ///     }
    /// }
    /// # resident_kernels::export!(Session);
    /// # fn main() {}
    /// ```
    #[inline]
    pub fn send_after<A: Handles<M>, M: Message>(&mut self, after: Duration, to: &Address<A>, msg: M) -> Timer {
        /// As it travels: no bytes between the three.
        #[repr(C, align(16))]
        struct Later<M> {
            head: SendLater,
            timer: Timer,
            msg: M,
        }
        const {
            assert!(LATER_BYTES + size_of::<M>() <= MAX_PAYLOAD, "a message that is sent later takes 912 bytes at most");
            assert!(offset_of!(Later<M>, timer) == size_of::<SendLater>() && offset_of!(Later<M>, msg) == LATER_BYTES);
        }
        let micros = after.as_secs().saturating_mul(1_000_000).saturating_add(after.subsec_micros().into());
        let timer = Timer::next(self.raw);
        let later = Later { head: to.later(const { tagged::<A>(A::INDEX) }, micros), timer, msg };
        let payload = (&raw const later).cast::<u8>();
        // SAFETY: as in `emit`; so many bytes are head, timer and message.
        self.engine(|raw| unsafe { emit(raw, LATER, payload, (LATER_BYTES + size_of::<M>()) as u32) });
        timer
    }

    /// Takes back a message that is to be sent later. One that is due by the time the application hears of this is sent: a handler that
    /// must not mind it compares something of the message with its state. Of one that was sent, was cancelled or is
    /// [`Timer::NONE`] nothing is left to cancel, and nothing happens.
    ///
    /// What an actor sends later and what it cancels is heard in its order; as [`emit`](Self::emit) this waits while the host takes its time.
    /// Timers are the system's: an actor's next incarnation, which finds one in its checkpoint, can cancel it, and so can any actor that
    /// has it from a message.
    ///
    /// ```
    /// use core::time::Duration;
    /// use resident_kernels::prelude::*;
    ///
    /// #[derive(State, Default)]
    /// #[repr(C)]
    /// struct Session {
    ///     idle: Timer,
    /// }
    ///
    /// #[derive(Message)]
    /// struct Request;
    ///
    /// #[derive(Message)]
    /// struct Expire;
    ///
    /// #[actor]
    /// impl Session {
    ///     fn request(&mut self, _: &Request, ctx: &mut Ctx) {
    ///         let me = ctx.address::<Self>();
    ///         ctx.cancel(self.idle); // none at first
    ///         self.idle = ctx.send_after(Duration::from_secs(30), &me, Expire);
    ///     }
    ///
    ///     fn expire(&mut self, _: &Expire, ctx: &mut Ctx) {
    ///         ctx.stop_self(); // nothing came for half a minute
    ///     }
    /// }
    /// # resident_kernels::export!(Session);
    /// # fn main() {}
    /// ```
    #[inline]
    pub fn cancel(&mut self, timer: Timer) {
        if timer.is_none() {
            return;
        }
        let payload = (&raw const timer).cast::<u8>();
        // SAFETY: as in `emit`; so many bytes are the timer.
        self.engine(|raw| unsafe { emit(raw, CANCEL, payload, size_of::<Timer>() as u32) });
    }

    /// Links this actor and the one at `to`, as OTP does: when one of the two fails or is killed, the other fails too, with a fault of
    /// class `Linked` that says whose failure it was. One that is stopped, or ends itself, takes nobody along. Whoever links to somebody
    /// who is not there any more fails at once (`noproc`).
    ///
    /// The application keeps links and acts on them, some time after the handler, and as [`emit`](Self::emit) this waits while the host
    /// takes its time. A link is of two incarnations: it does not come back with a restart. The second link of the same two is the first.
    ///
    /// ```
    /// use resident_kernels::prelude::*;
    ///
    /// #[derive(State, Default)]
    /// #[repr(C)]
    /// struct Worker {
    ///     jobs: u64,
    /// }
    ///
    /// #[derive(Message)]
    /// #[repr(C)]
    /// struct Join {
    ///     leader: Address<Worker>,
    /// }
    ///
    /// #[derive(Message)]
    /// #[repr(C)]
    /// struct Part {
    ///     leader: Address<Worker>,
    /// }
    ///
    /// #[actor]
    /// impl Worker {
    ///     fn join(&mut self, msg: &Join, ctx: &mut Ctx) {
    ///         ctx.link(&msg.leader); // from here on they live and die together
    ///     }
    ///
    ///     fn part(&mut self, msg: &Part, ctx: &mut Ctx) {
    ///         ctx.unlink(&msg.leader);
    ///     }
    /// }
    /// # resident_kernels::export!(Worker);
    /// # fn main() {}
    /// ```
    #[inline]
    pub fn link<A: Actor>(&mut self, to: &Address<A>) {
        self.emit_link(to.link(self.raw, const { 1 << 16 | A::KIND.tag() as u32 }));
    }

    /// Undoes a [`link`](Self::link), whoever of the two has made it. Nothing happens if there is none.
    #[inline]
    pub fn unlink<A: Actor>(&mut self, to: &Address<A>) {
        self.emit_link(to.link(self.raw, const { A::KIND.tag() as u32 }));
    }

    #[inline]
    fn emit_link(&mut self, link: LinkTo) {
        let payload = (&raw const link).cast::<u8>();
        // SAFETY: as in `emit`; so many bytes are the link.
        self.engine(|raw| unsafe { emit(raw, LINK, payload, size_of::<LinkTo>() as u32) });
    }

    /// Makes an actor with this state on this shard, at once and without the host: it may be sent to when this returns. Whoever has its
    /// address may send to it, as to any actor; the application hears of it.
    ///
    /// It lives until it ends itself ([`stop_self`](Self::stop_self)), fails, is taken along by a [`link`](Self::link), or its system
    /// ends. It is no ractor actor and nobody's child: who is to know of its failure links itself to it. The application can make it an
    /// actor of its own, `System::adopt`.
    ///
    /// The place for it is one of a few that the application has filled ahead, the shard's *nursery*, and fills up again behind the
    /// handlers. A handler that spawns when none is left fails, and so does one whose state is larger than the places are: start with a
    /// larger `Config::nursery` or `Config::nursery_bytes`, or use [`try_spawn`](Self::try_spawn). As [`emit`](Self::emit) it waits while
    /// the host takes its time.
    ///
    /// ```
    /// use resident_kernels::prelude::*;
    ///
    /// #[derive(State, Default)]
    /// #[repr(C)]
    /// struct Gate {
    ///     seen: u64,
    /// }
    ///
    /// #[derive(State, Default)]
    /// #[repr(C)]
    /// struct Visit {
    ///     steps: u64,
    /// }
    ///
    /// #[derive(Message)]
    /// #[repr(C)]
    /// struct Enter {
    ///     steps: u64,
    /// }
    ///
    /// #[derive(Message)]
    /// struct Step;
    ///
    /// #[actor]
    /// impl Gate {
    ///     fn enter(&mut self, msg: &Enter, ctx: &mut Ctx) {
    ///         self.seen += 1;
    ///         let visit = ctx.spawn(Visit { steps: msg.steps });
    ///         ctx.send(&visit, Step);
    ///     }
    /// }
    ///
    /// #[actor]
    /// impl Visit {
    ///     fn step(&mut self, _: &Step, ctx: &mut Ctx) {
    ///         match self.steps.checked_sub(1) {
    ///             Some(steps) => self.steps = steps,
    ///             None => return ctx.stop_self(), // its row is free again
    ///         }
    ///         let me = ctx.address::<Self>();
    ///         ctx.send(&me, Step);
    ///     }
    /// }
    /// # resident_kernels::export!(Gate, Visit);
    /// # fn main() {}
    /// ```
    #[inline]
    pub fn spawn<A: Actor>(&mut self, state: A) -> Address<A> {
        self.bear(&state).unwrap_or_else(|why| {
            self.not_born(why, A::NAME);
            Address::NOBODY
        })
    }

    /// The same, for who has something else to do where no place is left for now: the state comes back. One that is too large for any
    /// place fails this actor, as with [`spawn`](Self::spawn).
    ///
    /// ```
    /// use core::time::Duration;
    /// use resident_kernels::prelude::*;
    ///
    /// #[derive(State, Default)]
    /// #[repr(C)]
    /// struct Seed {
    ///     sown: u64,
    /// }
    ///
    /// #[derive(Message)]
    /// #[repr(C)]
    /// struct Sow {
    ///     more: u64,
    /// }
    ///
    /// #[actor]
    /// impl Seed {
    ///     fn sow(&mut self, msg: &Sow, ctx: &mut Ctx) {
    ///         let mut more = msg.more;
    ///         while more > 0 && ctx.try_spawn(Seed { sown: 0 }).is_ok() {
    ///             more -= 1;
    ///             self.sown += 1;
    ///         }
    ///         if more > 0 {
    ///             let me = ctx.address::<Self>();
    ///             ctx.send_after(Duration::from_millis(1), &me, Sow { more }); // the rest when there are places again
    ///         }
    ///     }
    /// }
    /// # resident_kernels::export!(Seed);
    /// # fn main() {}
    /// ```
    #[inline]
    pub fn try_spawn<A: Actor>(&mut self, state: A) -> Result<Address<A>, A> {
        self.bear(&state).map_err(|why| {
            if why != BIRTH_NONE {
                self.not_born(why, A::NAME);
            }
            state
        })
    }

    #[inline]
    fn bear<A: Actor>(&mut self, state: &A) -> Result<Address<A>, u16> {
        let mut child = RawAddress { system: 0, row: 0, generation: 0, shard: 0 };
        let bytes = ptr::from_ref(state).cast::<u8>();
        // SAFETY: so many bytes are the state, it and `child` live until the call returns, and `raw` is the context that the engine has
        // handed out.
        match self.engine(|raw| unsafe { spawn(raw, const { A::KIND.fingerprint }, bytes, size_of::<A>() as u32, &raw mut child) }) {
            0 => Ok(Address::new(child.system, child.shard, child.row, child.generation)),
            why => Err(why as u16),
        }
    }

    #[cold]
    #[inline(never)]
    fn not_born(&mut self, why: u16, kind: &str) {
        match why {
            BIRTH_NONE => self.fault(
                FAULT_NURSERY,
                &format_args!(
                    "no place is left in the nursery to spawn a `{kind}`: spawn fewer in one message, or start with a larger `nursery`"
                ),
            ),
            BIRTH_LARGE => self.fault(
                FAULT_NURSERY,
                &format_args!("the state of a `{kind}` is larger than a place of the nursery: start with larger `nursery_bytes`"),
            ),
            BIRTH_KIND => self.fault(FAULT_NURSERY, &format_args!("kind `{kind}` is not exported: name it in its crate's `export!`")),
            // It has failed already.
            _ => {}
        }
    }

    /// Ends this actor once the handler returns: it handles nothing more, and its proxy stops as if the application had stopped it. What
    /// was sent to it and not handled is lost, as with a stop that overtakes.
    #[inline]
    pub fn stop_self(&mut self) {
        self.raw.ended = 1;
        self.ended = true;
    }

    /// The lanes that work on this actor's state together, as many as its kind asks for; see [`Lanes`].
    #[inline]
    pub fn lanes(&mut self) -> Lanes<'_> {
        Lanes::new(self.raw)
    }

    /// Sends `msg` to the CPU actor that the application has named for its type.
    #[inline]
    pub fn emit<E: Emit>(&mut self, msg: E) {
        const { assert!(E::TYPE != LATER && E::TYPE != CANCEL && E::TYPE != LINK, "this type's number on the wire is taken: rename it") };
        let payload = (&raw const msg).cast::<u8>();
        // SAFETY: `payload` points to `size_of::<E>()` bytes that live until the call returns, and `raw` is the
        // context that the engine has handed out.
        self.engine(|raw| unsafe { emit(raw, E::TYPE, payload, size_of::<E>() as u32) });
    }

    /// Fails this actor once the handler returns; its supervisor and a waiting caller hear `reason`.
    ///
    /// `reason` is a text, or `format_args!(..)`; of several the first counts. The message has done nothing then: its reply is dropped, with
    /// all that it has sent, emitted and spawned, and the actor's state is that of the message before, if it has at most 256 bytes.
    #[cold]
    #[inline(never)]
    pub fn fail(&mut self, reason: impl fmt::Display) {
        self.fault(FAULT_FAILED, &reason);
    }

    #[cold]
    #[inline(never)]
    fn fault(&mut self, class: u16, reason: &dyn fmt::Display) {
        if !self.failed {
            self.failed = true;
            self.raw.fault = u32::from(class);
            // SAFETY: who made this context has promised it.
            unsafe { self.raw.fault_text(|text| text.panic(None, reason)) }
        }
    }

    #[inline]
    pub(crate) fn failed(&self) -> bool {
        self.failed
    }
}

impl CtxRaw {
    /// Nobody's, and about no message: for who calls a kind's handlers without an engine, to fill in what they need.
    pub const NONE: CtxRaw = CtxRaw {
        hlc: 0,
        sent: 0,
        now: 0,
        row: 0,
        generation: 0,
        shard: 0,
        fault: 0,
        system: 0,
        ended: 0,
        text_bytes: 0,
        messages: 0,
        places: 0,
        placed: 0,
        kills: 0,
        held: HOLDS_CLOSED,
        room: 0,
        lanes: 0,
        pulse: 0,
        busy: 0,
        holds: 0,
    };

    /// Where the engine's lanes of this warp stand.
    #[inline]
    pub(crate) fn lanes_at(&self) -> *mut u8 {
        ptr::with_exposed_provenance_mut(self.lanes as usize)
    }

    /// Where a large reply goes, and behind it the text of a fault.
    #[inline]
    pub(crate) fn room_at(&self) -> *mut u8 {
        ptr::with_exposed_provenance_mut(self.room as usize)
    }

    /// Has the text of a fault written.
    ///
    /// # Safety
    ///
    /// As [`Ctx::new`].
    pub(crate) unsafe fn fault_text(&mut self, write: impl FnOnce(&mut Text<'_>)) {
        // SAFETY: behind a reply's room there are so many bytes, and nobody else has them (the caller's promise).
        let bytes = unsafe { &mut *self.room_at().add(MAX_PAYLOAD).cast::<[u8; MAX_FAULT_TEXT]>() };
        let mut text = Text::new(bytes);
        write(&mut text);
        self.text_bytes = text.len() as u32;
    }
}

/// A message's index and, above it, the tag of the kind that handles it.
const fn tagged<A: Actor>(index: u16) -> u32 {
    index as u32 | (A::KIND.tag() as u32) << 16
}

#[cfg(target_arch = "nvptx64")]
use crate::gpu::{resident_emit as emit, resident_lookup as lookup, resident_send as send, resident_spawn as spawn};
#[cfg(not(target_arch = "nvptx64"))]
use crate::host::{emit, lookup, send, spawn};
