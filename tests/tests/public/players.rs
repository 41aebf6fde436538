//! Players, and what they have had: for tests of messages from actor to actor.

use ractor::call;
use resident::Address;
use resident::prelude::*;
use resident_kernels::plain::Plain;
use resident_test_actors::*;
use resident_tests::*;

pub async fn show(player: &GpuRef<Player>) -> Score {
    soon("a score", async { call!(player, PlayerMsg::Show).unwrap() }).await
}

/// Until `condition` holds of a player's score, which it answers.
pub async fn score(what: &str, player: &GpuRef<Player>, condition: impl Fn(&Score) -> bool) -> Score {
    let held = async {
        loop {
            let score = show(player).await;
            if condition(&score) {
                return score;
            }
        }
    };
    soon(what, held).await
}

pub async fn meets(player: &GpuRef<Player>, next: &GpuRef<Player>) {
    let next = next.address().await;
    player.send(PlayerMsg::Meet(Meet { next })).await.unwrap();
}

pub async fn serves(player: &GpuRef<Player>, sender: u32, count: u32, heavy: u32) {
    player.send(PlayerMsg::Serve(Serve { sender, count, heavy, panic: 0 })).await.unwrap();
}

/// Each of the players sends to the next one, and the last to the first.
pub async fn joined(players: &[GpuRef<Player>]) {
    for (player, next) in players.iter().zip(players.iter().cycle().skip(1)) {
        meets(player, next).await;
    }
    // All know their next one before one hears from another.
    sum(players, |_| 0).await;
}

pub async fn sum(players: &[GpuRef<Player>], of: impl Fn(&Score) -> u64) -> u64 {
    let mut sum = 0;
    for player in players {
        sum += of(&show(player).await);
    }
    sum
}

/// Until all balls are kept; then each was had as often as it had hops.
pub async fn all_kept(players: &[GpuRef<Player>], balls: u64) {
    let kept = async { while sum(players, |score| score.kept).await < balls {} };
    soon("the last hop", kept).await;
    assert_eq!(sum(players, |score| score.kept).await, balls);
}

/// An address in words: system, row, generation and shard.
pub fn in_words<A: 'static>(address: Address<A>) -> [u32; 4] {
    let mut bytes = [0; 16];
    address.encode(&mut bytes);
    <[u32; 4]>::decode(&bytes)
}
