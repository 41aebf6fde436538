//! Many actors as a group: one actor on the host stands for all of them, and each has a key.

use actors::{Largest, Measured, Sensor, SensorMsg};
use resident::prelude::*;

/// Members of the group.
const SENSORS: u64 = 10_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Every GPU, else the CPU device; RESIDENT_DEVICES=cpu chooses, and `resident config` lists
    // all such settings.
    let system = System::start(Config::load()?).await?;
    println!("running on {}", system.device());
    let (largest, sum) = measure(&system, SENSORS).await?;
    println!(
        "{SENSORS} sensors have answered: the largest value is {largest}, the sum of each one's largest {sum}"
    );
    system.stop().await;
    Ok(())
}

/// Has `count` sensors measure, and asks all of them: the largest value, and the sum of each one's largest.
async fn measure(system: &System, count: u64) -> anyhow::Result<(u64, u64)> {
    let members = (0..count).map(|key| (key, Sensor::default()));
    let (sensors, end) = Sensor::spawn_many(None, members, system).await?;
    // To each its own, and to all the same.
    for key in 0..count {
        sensors
            .send(&key, SensorMsg::Measured(Measured { value: key }))
            .await?;
    }
    sensors.tell_all(&Measured { value: 7 }).await?;
    let all = sensors
        .fold(&Largest, (0, 0), |(largest, sum), _key, value| {
            (value.max(largest), sum + value)
        })
        .await?;
    anyhow::ensure!(
        all.failed == 0,
        "{} sensors have failed: {:?}",
        all.failed,
        sensors.failed()
    );
    sensors.actor().stop(None);
    end.await?;
    Ok(all.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_have_measured() {
        let system = System::start(Config::cpu()).await.unwrap();
        assert_eq!(measure(&system, 10).await.unwrap(), (9, 8 * 7 + 8 + 9));
        system.stop().await;
    }
}
