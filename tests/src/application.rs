//! Other applications for a test: its own program again, in a process of its own, with one ignored test by its name.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use crate::{kill, unique, until};

/// Set for an application, and so for every process of it: a name that only these have.
const MARK: &str = "RESIDENT_TEST_APPLICATION";
/// How long an application with all its starts and stops may take.
const LONG: Duration = Duration::from_secs(600);

/// An application of its own, with its output.
pub struct Application {
    mark: String,
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
}

impl Application {
    /// Starts this program again for the ignored test `name` alone.
    pub fn start(name: &str) -> Application {
        Application::start_by(name, Command::new(env::current_exe().expect("this program")))
    }

    /// The same by a command to which the arguments of this program are added.
    pub fn start_by(name: &str, mut command: Command) -> Application {
        let mark = unique(&format!("{name}-{}", std::process::id()));
        command.args([name, "--exact", "--ignored", "--nocapture"]).env(MARK, &mark).stdout(Stdio::piped());
        let mut child = command.spawn().expect("another process");
        let output = BufReader::new(child.stdout.take().expect("piped")).lines();
        Application { mark, child, output }
    }

    /// Its next word of this sort, and what stands behind it.
    pub fn says(&mut self, word: &str) -> String {
        let word = format!("<{word}>");
        for line in self.output.by_ref() {
            if let Some((_, rest)) = line.expect("text").split_once(&word) {
                return rest.trim().to_owned();
            }
        }
        panic!("the application ended before it said {word}: {:?}", self.child.wait());
    }

    /// Processes that carry its mark. One that has ended and is not waited for has nothing any more.
    pub fn processes(&self) -> BTreeSet<u32> {
        let mark = format!("{MARK}={}\0", self.mark);
        let carries = |process: &u32| {
            let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
            environment.windows(mark.len()).any(|window| window == mark.as_bytes())
        };
        every_process().filter(carries).collect()
    }

    /// Waits until it has so many.
    pub async fn are_at_least(&self, count: usize) {
        until("its processes", || self.processes().len() >= count).await;
    }

    /// Ends as `kill -9` ends it; nothing of it may be left.
    pub async fn dies(mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
        until("nothing is left of it", || self.processes().is_empty()).await;
    }

    /// Waits for its own end: a blocking call, until it says nothing more.
    pub async fn ends(mut self) -> ExitStatus {
        for line in self.output.by_ref() {
            line.expect("text");
        }
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                until("nothing is left of it", || self.processes().is_empty()).await;
                return status;
            }
            assert!(begun.elapsed() < LONG, "it does not end");
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Of a test that failed, so that it does not fail the next.
        self.processes().into_iter().for_each(kill);
    }
}

/// The numbers of all processes that there are.
pub fn every_process() -> impl Iterator<Item = u32> {
    let all = fs::read_dir("/proc").expect("/proc is mounted");
    all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Whether this process was started as an application by another test.
pub fn is_application() -> bool {
    env::var_os(MARK).is_some()
}

/// Tells the test that has started this application.
pub fn say(word: &str, more: impl std::fmt::Display) {
    println!("<{word}> {more}");
}

/// A program of `src/bin`, where cargo has built it, or by its name in the folder `RESIDENT_TEST_BIN` on a machine without cargo.
pub fn program(built: &str) -> PathBuf {
    let built = Path::new(built);
    env::var_os("RESIDENT_TEST_BIN").map_or_else(|| built.into(), |folder| Path::new(&folder).join(built.file_name().expect("a file")))
}
