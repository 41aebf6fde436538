//! A whole program: how many messages does the example `flights` handle in a second, its input read and all that is beside it?
//!
//! The same program on the GPU and on the CPU device, in turn; each run compares its totals with a plain fold.

use clap::Parser;
use resident_benches::args::{Device, Flights as Args};
use resident_benches::machine::Machine;
use resident_benches::ours::flights::Flights;
use resident_benches::peers::gpu::Gpu;
use resident_benches::report::Report;
use resident_benches::rounds::{self, Contender, Error, Record};
use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    // Closed again at once: the program has the device to itself.
    let gpu = Gpu::find().map(|gpu| (gpu.name.clone(), gpu.cuda));
    let mut record = Record::default();
    let on_gpu = match (&gpu, args.common.device) {
        (_, Device::Cpu) => false,
        (Err(why), Device::Auto) => {
            record.absent(Flights::rate_name(true), why);
            false
        }
        _ => true,
    };
    let contenders = match contenders(&args, on_gpu) {
        Ok(contenders) => contenders,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    rounds::run(contenders, args.common.rounds, args.common.only.as_deref(), &mut record);
    if let (Some(gpu), Some(cpu)) = (record.median_rate(Flights::rate_name(true)), record.median_rate(Flights::rate_name(false))) {
        record.ratio("flights on the GPU, over the CPU device", gpu / cpu);
    }

    let machine = Machine::here(gpu.as_ref().map(|(name, cuda)| (name.as_str(), *cuda)).map_err(String::as_str));
    let report = Report { bench: "flights", arguments: format!("{args:?}"), machine, record: &record, claims: Vec::new() };
    report.finish(args.common.json())
}

fn contenders(args: &Args, on_gpu: bool) -> Result<Vec<Box<dyn Contender>>, Error> {
    let program = args.program().map_or_else(beside, |given| Ok(given.to_owned()))?;
    let mut contenders: Vec<Box<dyn Contender>> = vec![Box::new(Flights::new(&program, false)?)];
    if on_gpu {
        contenders.insert(0, Box::new(Flights::new(&program, true)?));
    }
    Ok(contenders)
}

/// Where cargo has put the program: benches are in `deps` beside it.
fn beside() -> Result<PathBuf, Error> {
    let this = env::current_exe()?;
    Ok(this.parent().and_then(Path::parent).ok_or("this program is in no folder")?.join("flights"))
}
