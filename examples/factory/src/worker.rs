//! A worker of the factory: an ordinary actor of ractor's that has one resident actor do its jobs.

use factory_actors::{Count, Sieve, SieveMsg};
use ractor::factory::{FactoryRef, Job, Worker, WorkerId};
use ractor::{ActorProcessingErr, RpcReplyPort, call};
use resident::GpuRef;

/// The number of a range, by which jobs are told apart.
pub type Key = u64;

/// A range whose primes are to be counted. The answer is their number, or why there is none.
pub struct Range {
    pub count: Count,
    pub reply: RpcReplyPort<Result<u64, String>>,
}

/// Hands each job to its own resident actor, and has the next one when that has answered.
pub struct Counting;

impl Worker for Counting {
    type Key = Key;
    type Message = Range;
    type Arguments = GpuRef<Sieve>;
    type State = GpuRef<Sieve>;

    async fn pre_start(&self, _: WorkerId, _: &FactoryRef<Key, Range>, sieve: GpuRef<Sieve>) -> Result<GpuRef<Sieve>, ActorProcessingErr> {
        Ok(sieve)
    }

    /// A job that fails its actor fails alone: the worker goes on, and its handle is good for the actor's next incarnation.
    async fn handle(
        &self,
        _: WorkerId,
        _: &FactoryRef<Key, Range>,
        Job { key, msg: Range { count, reply }, .. }: Job<Key, Range>,
        sieve: &mut GpuRef<Sieve>,
    ) -> Result<Key, ActorProcessingErr> {
        let primes = call!(sieve, SieveMsg::Count, count).map_err(|error| error.to_string());
        // Whoever asked may have gone.
        let _ = reply.send(primes);
        Ok(key)
    }
}
