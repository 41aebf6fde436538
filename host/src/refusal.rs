//! A refusal in words: what is short, its limit as it is, what to do.

use std::{fs, io};

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

/// The cause, and what to do about it: `otherwise` where that depends on what was asked for. An error that is not the system's own speaks
/// for itself.
pub fn explain(cause: &io::Error, otherwise: &str) -> String {
    match cause.raw_os_error().map(Errno::from_raw_os_error) {
        Some(number) => format!("{cause}: {}", advice(number, otherwise).unwrap_or_else(|| otherwise.to_owned())),
        None => cause.to_string(),
    }
}

fn advice(number: Errno, otherwise: &str) -> Option<String> {
    Some(match number {
        Errno::MFILE => format!(
            "this process may have {} files and sockets open; raise that limit (`ulimit -n`, `LimitNOFILE=`), or close some",
            limit(Resource::Nofile)
        ),
        Errno::NFILE => {
            format!(
                "all processes together may have {} files open (`fs.file-max`); raise that, or close some",
                said("/proc/sys/fs/file-max")
            )
        }
        Errno::AGAIN => format!(
            "this user may have {} processes and threads (`ulimit -u`, `LimitNPROC=`), this control group {} (`pids.max`, `TasksMax=`), the \
             machine {} (`kernel.threads-max`); raise the limit that is reached, or end some",
            limit(Resource::Nproc),
            pids_of_this_group(),
            said("/proc/sys/kernel/threads-max")
        ),
        Errno::FBIG => format!(
            "a file of this process, shared memory included, may have {} bytes (`ulimit -f`, `LimitFSIZE=`); raise that limit, or {otherwise}",
            limit(Resource::Fsize)
        ),
        Errno::NOMEM => format!(
            "this process may have {} bytes of memory (`ulimit -v`), and the machine has what it has; {otherwise}",
            limit(Resource::As)
        ),
        Errno::NOSPC => format!("the file system is full; free space on it, or {otherwise}"),
        Errno::DQUOT => format!("this user's quota on the file system is used up; raise it, free space, or {otherwise}"),
        Errno::ROFS => "the file system is mounted to be read only; mount it for writing, or choose another place".into(),
        _ => return None,
    })
}

fn limit(of: Resource) -> String {
    getrlimit(of).current.map_or("any number of".into(), |limit| limit.to_string())
}

/// What a file of the system's says.
fn said(path: &str) -> String {
    fs::read_to_string(path).map_or("an unknown number".into(), |text| text.trim().to_owned())
}

/// The limit of the control group that this process is in, as its own mount of them shows it.
fn pids_of_this_group() -> String {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    said(&format!("/sys/fs/cgroup{own}/pids.max"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_names_the_limit_as_it_is_and_what_to_do() {
        let text = |number: Errno| explain(&number.into(), "take less");
        let open = getrlimit(Resource::Nofile).current.expect("a limit, as everywhere").to_string();
        assert!(text(Errno::MFILE).contains(&open) && text(Errno::MFILE).contains("ulimit -n"));
        assert!(text(Errno::NFILE).contains(&said("/proc/sys/fs/file-max")));
        assert!(text(Errno::AGAIN).contains(&said("/proc/sys/kernel/threads-max")) && text(Errno::AGAIN).contains("ulimit -u"));
        for number in [Errno::FBIG, Errno::NOMEM, Errno::NOSPC, Errno::DQUOT, Errno::NOENT] {
            assert!(text(number).ends_with("take less"), "{}", text(number));
        }
        assert_eq!(explain(&io::Error::other("said already"), "take less"), "said already");
    }
}
