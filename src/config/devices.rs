//! Which devices a system has, and which of them cannot be those of one system.

use std::collections::HashSet;

use resident_gpu::device::Choice;
use resident_kernels::wire::DEVICE_BITS;
use thiserror::Error;

/// The most devices of a system.
const MOST: usize = 1 << DEVICE_BITS;

/// A device of a system. What it does not say is as [`Config`](crate::Config) has it.
///
/// ```
/// use resident::{Config, DeviceOptions};
///
/// let small = DeviceOptions { shards: Some(2), ..DeviceOptions::cpu() };
/// let config = Config { devices: vec![DeviceOptions::cuda(0), DeviceOptions::cuda(1), small], ..Config::default() };
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceOptions {
    /// Which. `None` is every GPU that can be used, else the CPU device, and stands alone, as [`Choice::Auto`] does.
    pub device: Option<Choice>,
    /// Its shards, where they are not those of [`Config::shards`](crate::Config::shards).
    pub shards: Option<u32>,
}

impl DeviceOptions {
    /// One GPU, the first, if it can be used, else the CPU device.
    pub fn auto() -> DeviceOptions {
        Choice::Auto.into()
    }

    /// A CPU device. Each one more is another device, with threads and memory of its own.
    pub fn cpu() -> DeviceOptions {
        Choice::Cpu.into()
    }

    /// The GPU with this ordinal.
    pub fn cuda(ordinal: u32) -> DeviceOptions {
        Choice::Cuda(ordinal).into()
    }
}

impl From<Choice> for DeviceOptions {
    fn from(choice: Choice) -> DeviceOptions {
        DeviceOptions { device: Some(choice), shards: None }
    }
}

/// Why some devices cannot be those of one system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DevicesError {
    /// There is none.
    #[error("`devices` is empty, and a system has at least one: leave it out for a GPU, else the CPU device")]
    None,
    /// There are too many.
    #[error("`devices` are {0}: a system has {MOST} at most")]
    Many(usize),
    /// A GPU is there twice.
    #[error("`devices` has cuda:{0} twice: name each GPU once, and give it more `shards`")]
    Twice(u32),
    /// A device that is to be found is beside others.
    #[error("`devices` has `all` or `auto` beside others, one of which it may find: name each device, or none")]
    Beside,
}

/// A device that is to be opened.
pub(crate) struct Wanted {
    pub choice: Choice,
    /// Which of the CPU devices it is.
    pub cpu: u32,
    pub shards: Option<u32>,
    /// With every other GPU that can be used, if it is one.
    pub and_others: bool,
}

/// All devices of a system.
pub(super) fn all(devices: &[DeviceOptions]) -> Result<Vec<Wanted>, DevicesError> {
    let is_found = |device: &DeviceOptions| matches!(device.device, None | Some(Choice::Auto));
    match devices.len() {
        0 => return Err(DevicesError::None),
        1 => {}
        many if many > MOST => return Err(DevicesError::Many(many)),
        _ if devices.iter().any(is_found) => return Err(DevicesError::Beside),
        _ => {}
    }
    let (mut cpus, mut gpus) = (0..MOST as u32, HashSet::new());
    let wanted = |options: &DeviceOptions| {
        let choice = options.device.unwrap_or(Choice::Auto);
        match choice {
            Choice::Cuda(ordinal) if !gpus.insert(ordinal) => return Err(DevicesError::Twice(ordinal)),
            _ => {}
        }
        let cpu = if choice == Choice::Cpu { cpus.next().unwrap_or(0) } else { 0 };
        Ok(Wanted { choice, cpu, shards: options.shards, and_others: options.device.is_none() })
    };
    devices.iter().map(wanted).collect()
}

impl Wanted {
    /// Another GPU beside this one, which was found as the first; `None` where there can be no more.
    pub(crate) fn other(&self, ordinal: u32) -> Option<Wanted> {
        let shards = self.shards;
        (self.and_others && (ordinal as usize) < MOST).then_some(Wanted {
            choice: Choice::Cuda(ordinal),
            cpu: 0,
            shards,
            and_others: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SD-1
    #[test]
    fn devices_that_cannot_be_those_of_one_system_are_told() {
        let refused = |devices: &[DeviceOptions]| all(devices).err();
        let (auto, cpu, cuda) = (DeviceOptions::auto, DeviceOptions::cpu, DeviceOptions::cuda);
        assert_eq!(refused(&[]), Some(DevicesError::None));
        assert_eq!(refused(&[cuda(1), cpu(), cuda(1)]), Some(DevicesError::Twice(1)));
        assert_eq!(refused(&vec![cpu(); 17]), Some(DevicesError::Many(17)));
        for beside in [auto(), DeviceOptions::default()] {
            assert_eq!(refused(&[cpu(), beside.clone()]), Some(DevicesError::Beside));
            assert_eq!(refused(&[beside]), None);
        }
        let sixteen = all(&vec![cpu(); 16]).unwrap();
        assert_eq!(sixteen.iter().map(|wanted| wanted.cpu).collect::<Vec<_>>(), (0..16).collect::<Vec<_>>());
    }

    /// SD-1
    #[test]
    fn by_default_there_is_one() {
        let wanted = all(&crate::Config::default().devices).unwrap();
        assert!(matches!(&*wanted, [one] if one.choice == Choice::Auto && one.other(1).is_none()));
    }

    /// SD-1
    #[test]
    fn only_every_gpu_goes_on_to_another() {
        let next = |device: DeviceOptions, ordinal| all(&[device]).unwrap()[0].other(ordinal).map(|wanted| wanted.choice);
        assert_eq!(next(DeviceOptions::default(), 1), Some(Choice::Cuda(1)));
        assert_eq!(next(DeviceOptions::default(), 16), None);
        assert_eq!(next(DeviceOptions::auto(), 1), None);
        assert_eq!(next(DeviceOptions::cuda(0), 1), None);
    }
}
