//! Groups whose members have the numbers from 0 on as keys.

use anyhow::{bail, ensure};
use resident::resident_kernels::host::Resident;
use resident::{Address, Folded, GpuGroup, System};

/// Where the members of a group are, in the order of their keys.
pub async fn by_key<A: Resident>(group: &GpuGroup<A, u32>) -> Vec<Address<A>> {
    let mut all = group.addresses().await;
    all.sort_unstable_by_key(|(key, _)| *key);
    all.into_iter().map(|(_, address)| address).collect()
}

/// Whether all members have answered, and no message has reached nobody: else what they wait for never comes.
pub fn check<A: Resident, T>(system: &System, group: &GpuGroup<A, u32>, folded: &Folded<T>) -> anyhow::Result<()> {
    if folded.failed > 0 {
        match group.failed().into_iter().next() {
            Some((_, fault)) => bail!(fault),
            None => bail!("{} actors left before the end; run it again", folded.failed),
        }
    }
    ensure!(system.dead_letters() == 0, "{} messages reached nobody; run it again", system.dead_letters());
    Ok(())
}
