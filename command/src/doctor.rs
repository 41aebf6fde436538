//! `resident doctor` and `resident devices`: whether this machine can run resident actors, and what to do where it cannot.

mod checks;
mod finding;
pub(crate) mod machine;
mod probe;

use resident::Choice;
use serde::Serialize;

use crate::error::Error;
use crate::output::{Output, bytes, table};
use finding::{Finding, Level};
use machine::{Machine, This};

/// A line: what was looked at, and what was found.
#[derive(Serialize)]
struct Line {
    what: String,
    #[serde(flatten)]
    finding: Finding,
}

/// Looks at everything, then starts a system on each device.
pub(crate) async fn doctor() -> Result<Output, Error> {
    let mut lines: Vec<Line> = checks::CHECKS.iter().map(|(what, check)| Line { what: (*what).into(), finding: check(&This) }).collect();
    let gpus = This.gpus().map_or(0, |gpus| gpus.devices.len() as u32);
    let looked = lines.len();
    for ordinal in 0..gpus {
        // CUDA_VISIBLE_DEVICES hides GPUs that NVML lists.
        if let Some(finding) = probe::probe(Choice::Cuda(ordinal)).await {
            lines.push(Line { what: format!("a system on cuda:{ordinal}"), finding });
        }
    }
    if lines.len() == looked {
        // The start says why it took the CPU device.
        let finding = probe::probe(Choice::Auto).await;
        lines.extend(finding.map(|finding| Line { what: "a system".into(), finding }));
    }
    let stops = lines.iter().any(|line| line.finding.level == Level::Stops);
    let output = Output::new(text(&lines), &lines);
    if stops { Err(Error::Unfit(output)) } else { Ok(output) }
}

fn text(lines: &[Line]) -> String {
    let mut text = String::new();
    let width = lines.iter().map(|line| line.what.len()).max().unwrap_or(0);
    for Line { what, finding } in lines {
        text += &format!("{:5}  {what:width$}  {}\n", finding.level.as_str(), finding.found);
        if let Some(advice) = finding.advice {
            text += &format!("{:5}  {:width$}  -> {advice}\n", "", "");
        }
    }
    let stops = lines.iter().filter(|line| line.finding.level == Level::Stops).count();
    let end = match stops {
        0 => "Programs run here; without a GPU they run on the CPU device.".into(),
        stops => format!("{stops} of these would stop a program."),
    };
    text + "\n" + &end + "\n"
}

/// The GPUs, as NVML lists them, behind the CPU device, which is always there.
pub(crate) fn devices() -> Output {
    let gpus = This.gpus();
    let cpu = ["cpu".into(), "the engine, compiled for this machine".into(), String::new(), String::new(), String::new()];
    let rows = gpus.iter().flat_map(|gpus| &gpus.devices).enumerate().map(|(ordinal, gpu)| {
        let (major, minor) = gpu.capability;
        let memory = format!("{} of {}", bytes(gpu.free), bytes(gpu.total));
        [format!("cuda:{ordinal}"), gpu.name.clone(), format!("{major}.{minor}"), memory, gpu.processes.len().to_string()]
    });
    let mut text = table(["DEVICE", "NAME", "CAPABILITY", "FREE", "PROCESSES"], std::iter::once(cpu).chain(rows));
    if let Err(why) = &gpus {
        text += &format!("\nNo GPU is known: {why}. `resident doctor` says what to do.\n");
    }
    #[derive(Serialize)]
    struct Devices {
        gpus: Vec<machine::Gpu>,
        why_none: Option<String>,
    }
    let why_none = gpus.as_ref().err().cloned();
    Output::new(text, &Devices { gpus: gpus.map(|gpus| gpus.devices).unwrap_or_default(), why_none })
}
