//! What the checks look at: this machine, or a made-up one in tests.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs};

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Nvml, cuda_driver_version_major, cuda_driver_version_minor};
use serde::Serialize;

/// The driver brings this name; the other one is of its development files.
const NVML: &str = "libnvidia-ml.so.1";

/// A machine.
pub(crate) trait Machine {
    /// A variable of the environment.
    fn env(&self, name: &str) -> Option<String>;
    /// The text of a file.
    fn read(&self, path: &str) -> Option<String>;
    /// Whether there is a file or folder.
    fn exists(&self, path: &str) -> bool;
    /// What a program prints, if it is there and ends well.
    fn run(&self, program: &str, args: &[&str]) -> Option<String>;
    /// Tries `memfd_create`; an error says why not.
    fn memfd(&self) -> Result<(), String>;
    /// The GPUs, or why none is known.
    fn gpus(&self) -> Result<Gpus, String>;
}

/// The driver and its GPUs, as NVML lists them.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Gpus {
    /// The driver's version.
    pub driver: String,
    /// The CUDA version that it is for.
    pub cuda: (i32, i32),
    /// Its GPUs.
    pub devices: Vec<Gpu>,
}

/// A GPU.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Gpu {
    /// Its name.
    pub name: String,
    /// Its compute capability.
    pub capability: (i32, i32),
    /// Bytes of memory that nobody uses.
    pub free: u64,
    /// All its bytes.
    pub total: u64,
    /// Cores, of which a multiprocessor has 64 at least.
    pub cores: u32,
    /// The processes on it.
    pub processes: Vec<u32>,
}

/// The machine that this runs on.
pub(crate) struct This;

impl Machine for This {
    fn env(&self, name: &str) -> Option<String> {
        env::var(name).ok().filter(|value| !value.is_empty())
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(path).ok()
    }

    fn exists(&self, path: &str) -> bool {
        Path::new(path).exists()
    }

    fn run(&self, program: &str, args: &[&str]) -> Option<String> {
        let ran = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        ran.status.success().then(|| String::from_utf8_lossy(&ran.stdout).into_owned())
    }

    fn memfd(&self) -> Result<(), String> {
        let made = rustix::fs::memfd_create("resident-doctor", rustix::fs::MemfdFlags::CLOEXEC);
        made.map(drop).map_err(|error| error.to_string())
    }

    fn gpus(&self) -> Result<Gpus, String> {
        look().map_err(|error| match error {
            NvmlError::LibloadingError(_) => format!("{NVML} was not found"),
            error => error.to_string(),
        })
    }
}

fn look() -> Result<Gpus, NvmlError> {
    let nvml = Nvml::builder().lib_path(OsStr::new(NVML)).init()?;
    let cuda = nvml.sys_cuda_driver_version()?;
    let mut devices = Vec::new();
    for index in 0..nvml.device_count()? {
        let device = nvml.device_by_index(index)?;
        let capability = device.cuda_compute_capability()?;
        let memory = device.memory_info()?;
        devices.push(Gpu {
            name: device.name()?,
            capability: (capability.major, capability.minor),
            free: memory.free,
            total: memory.total,
            cores: device.num_cores().unwrap_or(0),
            processes: device.running_compute_processes().unwrap_or_default().iter().map(|process| process.pid).collect(),
        });
    }
    Ok(Gpus { driver: nvml.sys_driver_version()?, cuda: (cuda_driver_version_major(cuda), cuda_driver_version_minor(cuda)), devices })
}
