//! What is looked at, one after another.

use super::finding::Finding;
use super::machine::{Gpus, Machine};
use crate::output::bytes;

/// A check: what is looked at, and how.
type Check = (&'static str, fn(&dyn Machine) -> Finding);

/// All of them, in the order of their lines.
pub(crate) const CHECKS: [Check; 14] = [
    ("driver", driver),
    ("GPUs", gpus),
    ("GPU memory", memory),
    ("neighbours", neighbours),
    ("MPS", mps),
    ("peer access", peers),
    ("CUDA_MODULE_LOADING", loading),
    ("libcuda.so.1", libcuda),
    ("Rust", rust),
    ("GPU target", target),
    ("C++ compiler", compiler),
    ("memlock", memlock),
    ("memfd", memfd),
    ("/dev/shm", shm),
];

/// Found where a check is about GPUs and there is none.
const NO_GPU: &str = "no GPU";

fn found(machine: &dyn Machine) -> Option<Gpus> {
    machine.gpus().ok().filter(|gpus| !gpus.devices.is_empty())
}

fn driver(machine: &dyn Machine) -> Finding {
    match machine.gpus() {
        Ok(Gpus { driver, cuda: (major, minor), .. }) if (major, minor) < (12, 4) => Finding::stops(
            format!("{driver}, for CUDA {major}.{minor}"),
            "resident needs CUDA 12.4: update NVIDIA's driver to 550 or newer",
        ),
        Ok(Gpus { driver, cuda: (major, minor), .. }) => Finding::good(format!("{driver}, for CUDA {major}.{minor}")),
        Err(why) => {
            Finding::note(format!("none ({why})"), "to use a GPU install NVIDIA's driver, 550 or newer; the CPU device works without it")
        }
    }
}

fn gpus(machine: &dyn Machine) -> Finding {
    let Some(gpus) = found(machine) else {
        return Finding::note("none".into(), "programs run on the CPU device; where there is a GPU see what `nvidia-smi` says");
    };
    let listed = gpus.devices.iter().map(|gpu| format!("{}, compute capability {}.{}", gpu.name, gpu.capability.0, gpu.capability.1));
    let listed = listed.collect::<Vec<_>>().join("; ");
    match gpus.devices.iter().filter(|gpu| gpu.capability >= (8, 0)).count() {
        0 => Finding::stops(listed, "resident needs compute capability 8.0 (Ampere) or newer: choose the CPU device"),
        n if n < gpus.devices.len() => {
            Finding::note(listed, "choose one with compute capability 8.0 or newer (`DeviceOptions::cuda(ordinal)`)")
        }
        _ => Finding::good(listed),
    }
}

/// State, and the stacks of every thread that the device can hold.
fn needed(cores: u32) -> u64 {
    // What is wrong in the settings `resident config` says.
    let config = resident::Config::load().unwrap_or_default();
    config.arena_bytes + u64::from(cores / 64) * 2048 * u64::from(config.stack_bytes)
}

fn memory(machine: &dyn Machine) -> Finding {
    let Some(gpus) = found(machine) else { return Finding::good(NO_GPU.into()) };
    let each = gpus.devices.iter().map(|gpu| {
        format!(
            "{} of {} free, `Config`, as it is set here, takes at most about {}",
            bytes(gpu.free),
            bytes(gpu.total),
            bytes(needed(gpu.cores))
        )
    });
    let each = each.collect::<Vec<_>>().join("; ");
    match gpus.devices.iter().all(|gpu| gpu.free >= needed(gpu.cores)) {
        true => Finding::good(each),
        false => Finding::note(each, "free memory of the device, or lower `Config::arena_bytes` or `Config::stack_bytes`"),
    }
}

fn neighbours(machine: &dyn Machine) -> Finding {
    let Some(gpus) = found(machine) else { return Finding::good(NO_GPU.into()) };
    let processes: Vec<String> = gpus.devices.iter().flat_map(|gpu| &gpu.processes).map(u32::to_string).collect();
    match processes.as_slice() {
        [] => Finding::good("nobody else is on a GPU, as far as NVML sees".into()),
        some => Finding::note(
            format!("processes {}", some.join(", ")),
            "a GPU that is shared gives time slices, which can cost several times the speed: end them, or choose another GPU",
        ),
    }
}

fn mps(machine: &dyn Machine) -> Finding {
    let pipe = machine.env("CUDA_MPS_PIPE_DIRECTORY").unwrap_or("/tmp/nvidia-mps".into());
    match machine.exists(&format!("{pipe}/control")) {
        true => Finding::note(
            format!("on ({pipe})"),
            "a fault of one client ends all of its GPU: `echo quit | nvidia-cuda-mps-control` ends it",
        ),
        false => Finding::good("off".into()),
    }
}

fn peers(machine: &dyn Machine) -> Finding {
    match found(machine).map_or(0, |gpus| gpus.devices.len()) {
        0 => Finding::good(NO_GPU.into()),
        1 => Finding::good("one GPU has no peers".into()),
        _ => match machine.run("nvidia-smi", &["topo", "-p2p", "r"]) {
            Some(table) if table.split_whitespace().any(|cell| cell == "OK") => Finding::good("between GPUs".into()),
            Some(_) => Finding::note("none between GPUs".into(), "nothing to do: systems of several GPUs speak by way of the host"),
            None => Finding::note("not known".into(), "`nvidia-smi topo -p2p r` says it where NVIDIA's tools are installed"),
        },
    }
}

fn loading(machine: &dyn Machine) -> Finding {
    match machine.env("CUDA_MODULE_LOADING") {
        Some(value) if value == "EAGER" => Finding::note(value, "unset it: a start loads all of the module's code at once"),
        value => Finding::good(value.unwrap_or("not set".into())),
    }
}

fn libcuda(machine: &dyn Machine) -> Finding {
    let folders = machine.env("LD_LIBRARY_PATH").unwrap_or_default();
    let in_folder = folders.split(':').filter(|folder| !folder.is_empty()).map(|folder| format!("{folder}/libcuda.so.1"));
    if let Some(path) = in_folder.into_iter().find(|path| machine.exists(path)) {
        return Finding::good(path);
    }
    let listed = ["ldconfig", "/sbin/ldconfig"].into_iter().find_map(|program| machine.run(program, &["-p"])).unwrap_or_default();
    match listed.lines().find(|line| line.trim_start().starts_with("libcuda.so.1 ")) {
        Some(line) => Finding::good(line.split("=> ").last().unwrap_or(line).trim().into()),
        None if found(machine).is_some() => Finding::stops(
            "not found".into(),
            "a container needs the driver's compute libraries: NVIDIA_DRIVER_CAPABILITIES=compute,utility and `--gpus all`",
        ),
        None => Finding::note("not found".into(), "NVIDIA's driver brings it; the CPU device works without it"),
    }
}

fn rust(machine: &dyn Machine) -> Finding {
    let Some(version) = machine.run("rustc", &["--version"]) else {
        return Finding::note("no rustc".into(), "where programs are built: install Rust, 1.91 or newer (rustup)");
    };
    let number = |text: &str| {
        let mut parts = text.split('.').map(|part| part.parse::<u32>().ok());
        Some((parts.next()??, parts.next()??))
    };
    let found = version.split_whitespace().nth(1).and_then(number);
    match found.is_some_and(|found| Some(found) < number(env!("CARGO_PKG_RUST_VERSION"))) {
        true => Finding::stops(version.trim().into(), "resident needs Rust 1.91: `rustup update`"),
        false => Finding::good(version.trim().into()),
    }
}

fn target(machine: &dyn Machine) -> Finding {
    let sysroot = |answer: Option<String>| answer.map(|text| text.trim().to_owned());
    let has = |root: &Option<String>, path: &str| root.as_ref().is_some_and(|root| machine.exists(&format!("{root}/lib/rustlib/{path}")));
    let own = sysroot(machine.run("rustc", &["--print", "sysroot"]));
    if has(&own, "nvptx64-nvidia-cuda/lib") {
        return Finding::good("nvptx64-nvidia-cuda".into());
    }
    let nightly = sysroot(machine.run("rustup", &["run", "nightly", "rustc", "--print", "sysroot"]));
    if has(&nightly, "src/rust/library/core/Cargo.toml") {
        return Finding::good("nightly with rust-src".into());
    }
    let advice = "where handlers are built for a GPU: `rustup target add nvptx64-nvidia-cuda`, or `rustup toolchain install nightly \
                  --component rust-src`";
    Finding::note(if own.is_some() { "neither nvptx64-nvidia-cuda nor nightly with rust-src" } else { "no rustc" }.into(), advice)
}

fn compiler(machine: &dyn Machine) -> Finding {
    let program = machine.env("CXX").unwrap_or("c++".into());
    let advice = "install a C++17 compiler (`apt-get install g++`), or name one in CXX";
    match machine.run(&program, &["-std=c++17", "-fsyntax-only", "-x", "c++", "/dev/null"]) {
        Some(_) => {
            Finding::good(machine.run(&program, &["--version"]).and_then(|text| text.lines().next().map(str::to_owned)).unwrap_or(program))
        }
        // Nothing is built where there is no rustc.
        None if machine.run("rustc", &["--version"]).is_some() => Finding::stops(format!("`{program}` does not compile C++17"), advice),
        None => Finding::note(format!("`{program}` does not compile C++17"), advice),
    }
}

fn memlock(machine: &dyn Machine) -> Finding {
    let limits = machine.read("/proc/self/limits").unwrap_or_default();
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max locked memory")?.split_whitespace().next());
    match limit {
        None => Finding::note("not known".into(), "mount /proc: workers are started by it"),
        Some(limit) => match limit.parse::<u64>() {
            Ok(limit) if limit < 64 << 20 && found(machine).is_some() => {
                Finding::note(bytes(limit), "raise it where a GPU's start fails to register memory (`ulimit -l`, `--ulimit memlock=-1`)")
            }
            Ok(limit) => Finding::good(bytes(limit)),
            Err(_) => Finding::good(limit.into()),
        },
    }
}

fn memfd(machine: &dyn Machine) -> Finding {
    match machine.memfd() {
        Ok(()) => Finding::good("can be made".into()),
        Err(why) => Finding::stops(why, "allow `memfd_create`: a seccomp filter, a container's policy or the kernel refuses it"),
    }
}

fn shm(machine: &dyn Machine) -> Finding {
    match machine.exists("/dev/shm") {
        true => Finding::good("is there; resident's own memory is made by memfd".into()),
        false => Finding::note("is not there".into(), "resident needs none, but CUDA's tools and MPS do: mount a tmpfs there"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::super::finding::Level::{self, Good, Note, Stops};
    use super::super::machine::Gpu;
    use super::*;

    /// A machine where nothing is missing, until a test takes something away.
    struct Made {
        env: HashMap<&'static str, &'static str>,
        files: HashSet<&'static str>,
        limits: &'static str,
        programs: HashMap<&'static str, &'static str>,
        memfd: Result<(), String>,
        gpus: Result<Gpus, String>,
    }

    impl Made {
        fn whole() -> Made {
            let gpu = Gpu { name: "H200".into(), capability: (9, 0), free: 100 << 30, total: 140 << 30, cores: 16_896, processes: vec![] };
            Made {
                env: HashMap::new(),
                files: ["/root/lib/rustlib/nvptx64-nvidia-cuda/lib", "/dev/shm"].into(),
                limits: "Max locked memory         unlimited            unlimited            bytes\n",
                programs: [
                    ("rustc --print sysroot", "/root\n"),
                    ("rustc --version", "rustc 1.91"),
                    ("c++ -std=c++17 -fsyntax-only -x c++ /dev/null", ""),
                    ("c++ --version", "g++ 14\n"),
                    ("ldconfig -p", "\tlibcuda.so.1 (libc6,x86-64) => /lib/libcuda.so.1\n"),
                ]
                .into(),
                memfd: Ok(()),
                gpus: Ok(Gpus { driver: "580.1".into(), cuda: (13, 0), devices: vec![gpu] }),
            }
        }

        fn gpu(&mut self, change: impl Fn(&mut Gpu)) {
            self.gpus.as_mut().unwrap().devices.iter_mut().for_each(change);
        }
    }

    impl Machine for Made {
        fn env(&self, name: &str) -> Option<String> {
            self.env.get(name).map(|value| value.to_string())
        }
        fn read(&self, path: &str) -> Option<String> {
            (path == "/proc/self/limits").then(|| self.limits.to_owned())
        }
        fn exists(&self, path: &str) -> bool {
            self.files.contains(path)
        }
        fn run(&self, program: &str, args: &[&str]) -> Option<String> {
            self.programs.get(&*format!("{program} {}", args.join(" "))).map(|text| text.to_string())
        }
        fn memfd(&self) -> Result<(), String> {
            self.memfd.clone()
        }
        fn gpus(&self) -> Result<Gpus, String> {
            self.gpus.clone()
        }
    }

    /// What is not as it should be, if something is changed.
    fn missing(change: impl FnOnce(&mut Made)) -> Vec<(&'static str, Level, String)> {
        let mut made = Made::whole();
        change(&mut made);
        let found = CHECKS.iter().map(|(what, check)| (*what, check(&made)));
        let found = found.filter(|(_, finding)| finding.level != Good);
        found.map(|(what, finding)| (what, finding.level, format!("{}: {}", finding.found, finding.advice.unwrap_or_default()))).collect()
    }

    /// Exactly these lines, each with these words.
    fn says(wanted: &[(&str, Level, &str)], change: impl FnOnce(&mut Made)) {
        let missing = missing(change);
        let right = missing.len() == wanted.len()
            && missing.iter().zip(wanted).all(|(found, wanted)| (found.0, found.1) == (wanted.0, wanted.1) && found.2.contains(wanted.2));
        assert!(right, "wanted {wanted:?}, found {missing:?}");
    }

    #[test]
    fn each_thing_that_is_missing_is_named_with_what_to_do() {
        says(&[], |_| {});
        says(&[("driver", Stops, "550")], |made| made.gpus.as_mut().unwrap().cuda = (12, 2));
        says(&[("driver", Note, "install NVIDIA's driver"), ("GPUs", Note, "CPU device"), ("libcuda.so.1", Note, "CPU device")], |made| {
            made.gpus = Err("libnvidia-ml.so.1 was not found".into());
            made.programs.remove("ldconfig -p");
        });
        says(&[("GPUs", Stops, "8.0")], |made| made.gpu(|gpu| gpu.capability = (7, 5)));
        says(&[("GPU memory", Note, "arena_bytes")], |made| made.gpu(|gpu| gpu.free = 1 << 30));
        says(&[("neighbours", Note, "17, 18")], |made| made.gpu(|gpu| gpu.processes = vec![17, 18]));
        says(&[("MPS", Note, "quit")], |made| {
            made.files.insert("/tmp/nvidia-mps/control");
        });
        says(&[("peer access", Note, "topo -p2p r")], |made| {
            let devices = &mut made.gpus.as_mut().unwrap().devices;
            devices.push(devices[0].clone());
        });
        says(&[("CUDA_MODULE_LOADING", Note, "unset")], |made| {
            made.env.insert("CUDA_MODULE_LOADING", "EAGER");
        });
        says(&[("libcuda.so.1", Stops, "NVIDIA_DRIVER_CAPABILITIES")], |made| {
            made.programs.remove("ldconfig -p");
        });
        says(&[("GPU target", Note, "rustup target add")], |made| {
            made.files.remove("/root/lib/rustlib/nvptx64-nvidia-cuda/lib");
        });
        says(&[], |made| {
            made.files.remove("/root/lib/rustlib/nvptx64-nvidia-cuda/lib");
            made.programs.insert("rustup run nightly rustc --print sysroot", "/nightly\n");
            made.files.insert("/nightly/lib/rustlib/src/rust/library/core/Cargo.toml");
        });
        says(&[("Rust", Stops, "rustup update")], |made| {
            _ = made.programs.insert("rustc --version", "rustc 1.90.0 (1159e78c4 2025-09-14)\n")
        });
        let no_compiler = |made: &mut Made| {
            made.programs.remove("c++ -std=c++17 -fsyntax-only -x c++ /dev/null");
        };
        says(&[("C++ compiler", Stops, "apt-get install g++")], no_compiler);
        says(&[("Rust", Note, "install Rust"), ("GPU target", Note, "no rustc"), ("C++ compiler", Note, "apt-get install g++")], |made| {
            no_compiler(made);
            made.programs.retain(|command, _| !command.starts_with("rustc"));
        });
        says(&[("memlock", Note, "ulimit -l")], |made| made.limits = "Max locked memory         65536            65536            bytes\n");
        says(&[("memfd", Stops, "memfd_create")], |made| made.memfd = Err("Operation not permitted".into()));
        says(&[("/dev/shm", Note, "tmpfs")], |made| {
            made.files.remove("/dev/shm");
        });
    }
}
