//! `resident inspect-ptx`: what each handler of a crate takes of a GPU, by NVIDIA's assembler for the PTX that its build has made.

mod assembler;
mod cubin;
mod handlers;
mod ptx;

use std::path::PathBuf;

use clap::Args;
use resident::resident_kernels::wire::{BLOCK_THREADS, MAX_REGISTERS, WORK_LANES};
use serde::Serialize;

use crate::doctor::machine::{Machine, This};
use crate::error::Error;
use crate::output::{Output, table};
use assembler::Assembler;
pub(crate) use assembler::AssemblerError;
pub(crate) use ptx::PtxError;

/// What is to be looked at.
#[derive(Args)]
pub(crate) struct Inspect {
    /// The handler crate: its folder, or its name in the workspace of this one.
    #[arg(value_name = "CRATE")]
    krate: String,
    /// NVIDIA's assembler, which CUDA's toolkit and the package `nvidia-cuda-nvcc` of PyPI have; else the one of PATH.
    #[arg(long, value_name = "FILE")]
    ptxas: Option<PathBuf>,
    /// The GPU to assemble for, such as sm_90; else the first one here, and sm_80 where none is.
    #[arg(long, value_name = "SM", value_parser = sm)]
    arch: Option<String>,
    #[command(flatten)]
    pub(crate) form: crate::Form,
}

/// A handler and what it takes.
#[derive(Serialize)]
struct Handler {
    actor: String,
    message: String,
    /// Registers of a lane while it runs.
    registers: u32,
    /// As many as it would have, were there no bound.
    wanted: u32,
    /// Bytes of its own frame.
    stack: u32,
    /// Bytes that are written to the stack and read back for want of registers, or to save those of its caller.
    spill_stores: u32,
    spill_loads: u32,
    /// Lanes of a shard that could run if each had as many registers as it wants.
    lanes: usize,
}

/// Builds the crate, and has its PTX assembled.
pub(crate) fn inspect(asked: &Inspect) -> Result<Output, Error> {
    let assembler = Assembler::find(asked.ptxas.as_deref())?;
    let ptx = ptx::of(&asked.krate)?;
    let arch = asked.arch.clone().unwrap_or_else(here);
    let bounded = assembler.assemble(&ptx, &arch, Some(MAX_REGISTERS))?;
    let free = assembler.assemble(&ptx, &arch, None)?;
    let mut found = Vec::new();
    for (symbol, name) in handlers::of(bounded.functions.keys()) {
        let function = bounded.functions[&symbol];
        // A bound may also make the assembler take more, to move less.
        let wanted = free.functions.get(&symbol).map_or(0, |function| function.registers).max(function.registers);
        let spills = bounded.spills.get(&symbol).copied().unwrap_or_default();
        found.push(Handler {
            actor: name.actor,
            message: name.message,
            registers: function.registers,
            wanted,
            stack: function.frame,
            spill_stores: spills.stores,
            spill_loads: spills.loads,
            lanes: lanes(wanted),
        });
    }
    if found.is_empty() {
        return Err(PtxError::NoHandlers(asked.krate.clone()).into());
    }
    found.sort_by(|one, other| (&one.actor, &one.message).cmp(&(&other.actor, &other.message)));
    Ok(Output::new(text(&found, &arch), &serde_json::json!({ "arch": arch, "handlers": found })))
}

fn text(found: &[Handler], arch: &str) -> String {
    let rows = found.iter().map(|handler| {
        let Handler { actor, message, registers, wanted, stack, spill_stores, spill_loads, lanes } = handler;
        let spills = format!("{spill_stores} + {spill_loads}");
        [actor.clone(), message.clone(), registers.to_string(), wanted.to_string(), stack.to_string(), spills, lanes.to_string()]
    });
    let mut text = table(["ACTOR", "MESSAGE", "REGISTERS", "WANTED", "STACK", "SPILLS", "LANES"], rows);
    text += &format!(
        "\nAssembled for {arch}. A lane has at most {MAX_REGISTERS} registers, so that a shard's {WORK_LANES} run side by side;\n\
         LANES are those that could if a handler had all that it wants. STACK is its own frame in bytes, SPILLS are bytes stored to it and loaded again.\n"
    );
    text
}

/// Registers of a multiprocessor.
const REGISTERS: usize = 65_536;

/// Lanes of a shard, as the engine's block has them, with `wanted` registers each.
fn lanes(wanted: u32) -> usize {
    // The hardware gives registers by eight, to four warps at a time.
    let threads = REGISTERS / (wanted.max(1) as usize).next_multiple_of(8) / 128 * 128;
    threads.saturating_sub(BLOCK_THREADS - WORK_LANES).min(WORK_LANES)
}

/// The first GPU's architecture, or the oldest that there is PTX for.
fn here() -> String {
    let gpu = This.gpus().ok().and_then(|gpus| gpus.devices.into_iter().next());
    gpu.map_or("sm_80".into(), |gpu| format!("sm_{}{}", gpu.capability.0, gpu.capability.1))
}

fn sm(text: &str) -> Result<String, String> {
    let number = text.strip_prefix("sm_").unwrap_or_default();
    let (digits, letter) = number.split_at(number.trim_end_matches(['a', 'f']).len());
    match digits.parse::<u32>() {
        Ok(number) if number >= 80 && letter.len() <= 1 => Ok(text.into()),
        _ => Err("an architecture is sm_80 or newer, such as sm_90".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_handler_wants_costs_lanes() {
        assert_eq!(lanes(0), WORK_LANES);
        assert_eq!(lanes(MAX_REGISTERS as u32), WORK_LANES, "the bound is the most that costs nothing");
        assert_eq!(lanes(255), WORK_LANES, "what a lane can have fits, since a shard has four work warps");
        assert_eq!(lanes(512), 64);
    }

    #[test]
    fn architectures() {
        assert!(["sm_80", "sm_90a", "sm_100f"].into_iter().all(|good| sm(good).is_ok()));
        assert!(["sm_75", "90", "sm_", "sm_90ax", "compute_90"].into_iter().all(|bad| sm(bad).is_err()));
    }
}
