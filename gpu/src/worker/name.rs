//! What a worker process is called where processes are listed.
//!
//! Its first argument says whose it is: `flights [resident worker cuda:0]`, as `ps -f` shows it. Its name says what it does at the moment:
//! `worker cuda:0` or `standby cuda:0`, as `ps` and `top` show it. A name can change when a standby takes over, an argument cannot.

use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::path::Path;

use rustix::process::getpid;
use rustix::thread::{gettid, set_name};

use crate::options::{Choice, DeviceInfo, Options};

/// What a worker does.
#[derive(Clone, Copy)]
pub(crate) enum Role {
    /// It has everything ready but the launch.
    Standby,
    /// It runs the device.
    Worker,
}

/// The first argument of a worker of this program.
pub(crate) fn title(options: &Options) -> OsString {
    let program = env::args_os().next().unwrap_or_default();
    let mut title = Path::new(&program).file_name().unwrap_or(OsStr::new("?")).to_owned();
    title.push(match options.device {
        // Which one it is is found out by the worker.
        Choice::Auto => " [resident worker]".to_owned(),
        Choice::Cpu => format!(" [resident worker cpu:{}]", options.cpu),
        Choice::Cuda(ordinal) => format!(" [resident worker cuda:{ordinal}]"),
    });
    title
}

/// Names this process, if the worker is a process: a thread has its application's.
pub(crate) fn take(role: Role, info: &DeviceInfo) {
    if gettid() != getpid() {
        return;
    }
    let role = match role {
        Role::Standby => "standby",
        Role::Worker => "worker",
    };
    let name = CString::new(format!("{role} {}", info.label()));
    // It is for people only.
    let _ = name.map(|name| set_name(&name));
}
