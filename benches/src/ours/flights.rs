//! The example `flights`, a whole program: a process of its own each time.

use crate::rounds::{Contender, Error, Record};
use resident_kernels::engine::PTX;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long one run may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs of the program on one device, each compared by the program itself with a plain fold.
pub struct Flights {
    program: PathBuf,
    on_gpu: bool,
}

impl Flights {
    /// Runs of `program`, which has to carry the engine that this one carries.
    pub fn new(program: &Path, on_gpu: bool) -> Result<Flights, Error> {
        let text =
            fs::read(program).map_err(|error| format!("can not read {} ({error}): cargo build --release -p flights", program.display()))?;
        if !carries(&text, PTX.as_bytes()) {
            return Err(format!("{} carries another engine: cargo build --release -p flights", program.display()).into());
        }
        Ok(Flights { program: program.to_owned(), on_gpu })
    }

    /// What the table calls the messages that it handles in a second.
    pub fn rate_name(on_gpu: bool) -> &'static str {
        if on_gpu { "flights on the GPU" } else { "flights on the CPU device" }
    }
}

impl Contender for Flights {
    fn name(&self) -> String {
        Flights::rate_name(self.on_gpu).into()
    }

    fn round(&mut self, record: &mut Record) -> Result<(), Error> {
        let mut command = Command::new(&self.program);
        command.args(["--json", "--device", if self.on_gpu { "cuda" } else { "cpu" }]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        ended(&mut child)?;
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let last: serde_json::Value = serde_json::from_str(said.lines().last().unwrap_or_default())
            .map_err(|error| format!("{} and no line of JSON at its end ({error})", output.status))?;
        let (Some(rate), Some(flights)) = (last["messages_per_second"].as_f64(), last["flights"].as_u64()) else {
            return Err(format!("no rate in {last}").into());
        };
        if !output.status.success() || last["equal"] != true {
            return Err(format!("{}, and the totals: {said}", output.status).into());
        }
        record.rate(&self.name(), rate);
        record.checked(&self.name(), flights);
        Ok(())
    }
}

/// Waits until `child` has ended, or ends it. What it says fits into a pipe.
fn ended(child: &mut Child) -> Result<(), Error> {
    let begun = Instant::now();
    while child.try_wait()?.is_none() {
        if begun.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            return Err(format!("not at its end after {LIMIT:?}").into());
        }
        sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn carries(program: &[u8], engine: &[u8]) -> bool {
    program.windows(engine.len()).any(|window| window == engine)
}
