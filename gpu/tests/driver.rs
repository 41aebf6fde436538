//! Machines without a usable GPU: each has its own error, whose text says what to do, and `Choice::Auto` goes on with the CPU.
//!
//! The CUDA driver here is a library that these tests compile: it answers the first calls as `FAKE_*` say. A test runs itself once
//! more with that library before any other on the loader's path, so it also runs where there is a real driver.

use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use resident_gpu::device::{Choice, Device, DeviceKind, Options, StartError};
use resident_kernels::prelude::*;

/// Set where a test runs inside, with the driver in place.
const INSIDE: &str = "RESIDENT_FAKE_DRIVER";

const DRIVER: &str = r#"
#include <stdlib.h>
#include <string.h>
static int number(const char* name, int otherwise) { const char* v = getenv(name); return v ? atoi(v) : otherwise; }
int cuInit(unsigned flags) { return number("FAKE_INIT", 0); }
#ifndef WITHOUT_VERSION
int cuDriverGetVersion(int* version) { *version = number("FAKE_VERSION", 12040); return 0; }
#endif
int cuDeviceGetCount(int* count) { *count = number("FAKE_DEVICES", 1); return 0; }
int cuDeviceGet(int* device, int ordinal) { *device = ordinal; return 0; }
int cuDeviceGetName(char* name, int bytes, int device) { strncpy(name, "Fake GPU", bytes); return 0; }
int cuDeviceGetPCIBusId(char* id, int bytes, int device) { strncpy(id, "0000:01:00.0", bytes); return 0; }
int cuDeviceGetAttribute(int* value, int attribute, int device) {
    switch (attribute) {
        case 75: *value = number("FAKE_MAJOR", 8); return 0;    /* compute capability */
        case 76: *value = number("FAKE_MINOR", 0); return 0;
        case 16: *value = 108; return 0;                        /* multiprocessors */
        default: return 1;
    }
}
"#;

/// What stands as `libcuda.so.1`.
enum Library {
    /// A file that is no library, which is as good as none.
    Broken,
    /// The driver above, compiled with these options.
    Fake(&'static [&'static str]),
}

/// Runs `check` in a process of its own, that of the test `name`, with this driver and these `FAKE_*` variables.
fn with(name: &str, library: Library, answers: &[(&str, &str)], check: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        return check();
    }
    let folder = env::temp_dir().join(format!("resident-driver-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the driver");
    match library {
        Library::Broken => {
            for file in ["libcuda.so", "libcuda.so.1"] {
                fs::write(folder.join(file), "no library").expect("a file");
            }
        }
        Library::Fake(options) => {
            fs::write(folder.join("driver.c"), DRIVER).expect("the driver's source");
            let compiler = env::var("CC").unwrap_or_else(|_| "cc".into());
            let mut command = Command::new(compiler);
            command.current_dir(&folder).args(["-shared", "-fPIC", "-o", "libcuda.so", "driver.c"]).args(options);
            assert!(command.status().expect("a C compiler").success(), "the driver does not compile");
            fs::copy(folder.join("libcuda.so"), folder.join("libcuda.so.1")).expect("a copy");
        }
    }
    let inside = Command::new(env::current_exe().expect("this test's program"))
        .args(["--exact", name, "--nocapture"])
        .env("LD_LIBRARY_PATH", &folder)
        .env(INSIDE, "1")
        .envs(answers.iter().copied())
        .output()
        .expect("this test once more");
    let said = format!("{}{}", String::from_utf8_lossy(&inside.stdout), String::from_utf8_lossy(&inside.stderr));
    assert!(inside.status.success() && said.contains("1 passed"), "{said}");
    fs::remove_dir_all(&folder).expect("the folder again");
}

fn options(device: Choice) -> Options {
    Options { device, shards: Some(1), rows: 16, reply_lines: 16, arena_bytes: 1 << 20, ..Options::default() }
}

/// The error of asking for the GPU. Asking for whatever there is gives the CPU, which runs, with that error's text as its reason.
fn refused() -> StartError {
    let error = Device::start(options(Choice::Cuda(0))).expect_err("there is no such GPU");
    let device = Device::start(options(Choice::Auto)).expect("the CPU is always there");
    assert_eq!(device.info().kind, DeviceKind::Cpu);
    assert_eq!(device.info().reason, error.to_string());
    assert!(device.info().to_string().contains(&error.to_string()), "{}", device.info());
    device.stop(Duration::from_secs(20)).expect("it runs");
    error
}

/// `error` is of the variant `$variant` and its text has each of these words.
macro_rules! assert_says {
    ($error:expr, $variant:ident, $($word:literal),+) => {{
        let error = $error;
        assert!(matches!(error, StartError::$variant(_)), "{error:?}");
        let text = error.to_string();
        $(assert!(text.contains($word), "{:?} is missing in: {text}", $word);)+
    }};
}

#[test]
fn no_driver() {
    with("no_driver", Library::Broken, &[], || {
        assert_says!(refused(), NoDriver, "libcuda.so.1 was not found", "install", "CPU device");
    });
}

#[test]
fn a_driver_older_than_cuda_12_4() {
    with("a_driver_older_than_cuda_12_4", Library::Fake(&[]), &[("FAKE_VERSION", "12030")], || {
        assert_says!(refused(), OldDriver, "for CUDA 12.3", "needs 12.4", "update the driver", "CPU device");
    });
}

#[test]
fn no_device() {
    with("no_device", Library::Fake(&[]), &[("FAKE_INIT", "100")], || {
        assert_says!(refused(), NoDevice, "no CUDA device 0", "shows 0", "nvidia-smi", "CUDA_VISIBLE_DEVICES", "CPU device");
    });
}

#[test]
fn no_device_with_that_ordinal() {
    with("no_device_with_that_ordinal", Library::Fake(&[]), &[("FAKE_DEVICES", "2")], || {
        let error = Device::start(options(Choice::Cuda(2))).expect_err("devices 0 and 1");
        assert_says!(error, NoDevice, "no CUDA device 2", "shows 2", "CUDA_VISIBLE_DEVICES");
    });
}

#[test]
fn a_device_older_than_ampere() {
    with("a_device_older_than_ampere", Library::Fake(&[]), &[("FAKE_MAJOR", "7"), ("FAKE_MINOR", "5")], || {
        assert_says!(refused(), OldDevice, "Fake GPU", "compute capability 7.5", "needs 8.0", "choose another device or the CPU device");
    });
}

#[test]
fn a_driver_that_does_not_start() {
    with("a_driver_that_does_not_start", Library::Fake(&[]), &[("FAKE_INIT", "803")], || {
        assert_says!(refused(), Driver, "cuInit", "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "nvidia-smi", "CPU device");
    });
}

#[test]
fn a_library_that_is_no_driver() {
    with("a_library_that_is_no_driver", Library::Fake(&["-DWITHOUT_VERSION"]), &[], || {
        assert_says!(refused(), Driver, "cuDriverGetVersion", "install", "CPU device");
    });
}

/// The only actor of this program, whose crate has no build script that would compile it for the GPU.
#[derive(State, Default)]
#[repr(C)]
struct Lamp {
    on: u32,
}

/// Switches the lamp.
#[derive(Message)]
#[repr(C)]
struct Switch {
    on: u32,
}

#[actor]
impl Lamp {
    fn switch(&mut self, msg: &Switch, _ctx: &mut Ctx) {
        self.on = msg.on;
    }
}

resident_kernels::export!(Lamp);

#[test]
fn handlers_not_compiled_for_the_gpu() {
    with("handlers_not_compiled_for_the_gpu", Library::Fake(&[]), &[], || {
        assert_says!(refused(), NoHandlers, "`resident-gpu`", "not compiled for the GPU", "add a build.rs");
    });
}
