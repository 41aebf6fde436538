//! The command line of the benches.

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Parser, ValueEnum};
use std::fmt;
use std::path::{Path, PathBuf};

/// Where ours runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Device {
    /// The GPU if there is one, else the CPU device.
    Auto,
    /// The CPU device.
    Cpu,
    /// The GPU.
    Cuda,
}

/// A file. Shown without its folder, which is a path of this machine.
#[derive(Clone)]
pub struct File(PathBuf);

impl File {
    fn path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.file_name().unwrap_or_default().fmt(f)
    }
}

/// What all benches take.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// Where ours runs; the bare kernels need a GPU in any case.
    #[arg(long, value_enum, default_value = "auto")]
    pub device: Device,
    /// Rounds: each runs every contender once, every other one in reverse order.
    #[arg(long, default_value_t = 4, default_value_if("short", "true", "2"))]
    pub rounds: u32,
    /// Write raw samples and the machine to this file.
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().map(File))]
    json: Option<File>,
    /// Fewer of everything that is not given, for some 20 seconds on a GPU.
    #[arg(long)]
    pub short: bool,
    /// Run only the contenders whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Given by `cargo bench`; of no consequence.
    #[arg(long, hide = true)]
    pub bench: bool,
}

impl Common {
    /// The file for the raw samples.
    pub fn json(&self) -> Option<&Path> {
        self.json.as_ref().map(File::path)
    }
}

/// One message at a time: how long until its answer is there?
#[derive(Clone, Debug, Parser)]
#[command(name = "round_trip")]
pub struct RoundTrip {
    /// What all benches take.
    #[command(flatten)]
    pub common: Common,
    /// Messages of each contender in each round.
    #[arg(long, default_value_t = 5000, default_value_if("short", "true", "2000"))]
    pub samples: u32,
    /// Resident shards.
    #[arg(long, default_value_t = 100)]
    pub shards: u32,
    /// Panics of ours in each round.
    #[arg(long, default_value_t = 500, default_value_if("short", "true", "100"))]
    pub panics: u32,
}

/// What does an actix address cost a resident actor?
#[derive(Clone, Debug, Parser)]
#[command(name = "actix")]
pub struct Addresses {
    /// What all benches take.
    #[command(flatten)]
    pub common: Common,
    /// Calls by each way in each round.
    #[arg(long, default_value_t = 5000, default_value_if("short", "true", "1000"))]
    pub calls: u32,
    /// Casts by each way in each round.
    #[arg(long, default_value_t = 200_000, default_value_if("short", "true", "50000"))]
    pub casts: u64,
    /// Resident shards.
    #[arg(long, default_value_t = 100)]
    pub shards: u32,
}

/// Messages from actor to actor: how long does one take, and how many are handled in a second?
#[derive(Clone, Debug, Parser)]
#[command(name = "device_to_device")]
pub struct DeviceToDevice {
    /// What all benches take.
    #[command(flatten)]
    pub common: Common,
    /// Times that one ball goes from actor to actor in each round.
    #[arg(long, default_value_t = 100_000, default_value_if("short", "true", "20000"))]
    pub hops: u64,
    /// Messages between all in each round, and to a crowd each way; a hundred times as many between bare blocks.
    #[arg(long, default_value_t = 10_000_000, default_value_if("short", "true", "1000000"))]
    pub messages: u64,
    /// Actors of the crowd, started at once.
    #[arg(long, default_value_t = 1_000_000, default_value_if("short", "true", "100000"))]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub actors: u64,
    /// Tiles along each edge of the cube in which a wave takes its steps.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub tiles: u8,
    /// Steps of the wave in each round.
    #[arg(long, default_value_t = 200, default_value_if("short", "true", "50"))]
    pub steps: u32,
    /// Seconds that an idle device is looked at in each round.
    #[arg(long, default_value_t = 3, default_value_if("short", "true", "1"))]
    pub idle: u64,
    /// Resident shards, and bare blocks.
    #[arg(long, default_value_t = 132)]
    pub shards: u32,
}

/// What does a checkpoint cost?
#[derive(Clone, Debug, Parser)]
#[command(name = "checkpoint")]
pub struct Checkpoint {
    /// What all benches take.
    #[command(flatten)]
    pub common: Common,
    /// MiB of states of 64 KiB each.
    #[arg(long, default_value_t = 1024)]
    pub mib: usize,
    /// Cuts of each kind, and bare copies, in each round.
    #[arg(long, default_value_t = 100, default_value_if("short", "true", "10"))]
    pub repeats: u32,
    /// Seconds that casts are counted at a time.
    #[arg(long, default_value_t = 2, default_value_if("short", "true", "1"))]
    pub seconds: u64,
    /// Resident shards.
    #[arg(long, default_value_t = 100)]
    pub shards: u32,
}

/// The device is broken: how long until everybody else goes on, and as they were?
#[derive(Clone, Debug, Parser)]
#[command(name = "takeover")]
pub struct Takeover {
    /// What all benches take; rounds are those of the comparison of process and thread.
    #[command(flatten)]
    pub common: Common,
    /// Faults of each class, and kills of the worker.
    #[arg(long, default_value_t = 20, default_value_if("short", "true", "3"))]
    pub repeats: u32,
    /// Faults of random classes while messages flow, after which every state is compared.
    #[arg(long, default_value_t = 100, default_value_if("short", "true", "12"))]
    pub faults: u32,
    /// What the random choices are made from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Messages in each round, with the worker a process and a thread.
    #[arg(long, default_value_t = 5000, default_value_if("short", "true", "1000"))]
    pub samples: u32,
    /// Resident shards.
    #[arg(long, default_value_t = 64)]
    pub shards: u32,
}

/// Many messages at a time: how many are done in a second?
#[derive(Clone, Debug, Parser)]
#[command(name = "throughput")]
pub struct Throughput {
    /// What all benches take.
    #[command(flatten)]
    pub common: Common,
    /// Resident shards, one run each.
    #[arg(long, value_delimiter = ',', default_value = "64,128", default_value_if("short", "true", "128"))]
    pub shards: Vec<u32>,
    /// Host threads, one run each.
    #[arg(long, value_delimiter = ',', default_value = "1,4,8", default_value_if("short", "true", "1,8"))]
    pub threads: Vec<u32>,
    /// Round trips of the bare rings, and casts, in each round.
    #[arg(long, default_value_t = 16_000_000, default_value_if("short", "true", "4000000"))]
    pub stream: u64,
    /// Messages of ours in the long run that checks every one of them, over all rounds; a billion to keep the promise.
    #[arg(long, default_value_t = 1_000_000, default_value_if("short", "true", "200000"))]
    pub messages: u64,
    /// Asks of ours in flight for each shard.
    #[arg(long, default_value_t = 256)]
    pub window: u32,
    /// Rows spawned at once.
    #[arg(long, default_value_t = 100_000)]
    pub spawns: u32,
}

/// A whole program, its start and its end left out: how many messages does it handle in a second?
#[derive(Clone, Debug, Parser)]
#[command(name = "flights")]
pub struct Flights {
    /// What all benches take.
    #[command(flatten)]
    pub common: Common,
    /// The program [default: `flights` as cargo builds it for release, two folders up from this one].
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().map(File))]
    program: Option<File>,
}

impl Flights {
    /// The program, where it is given.
    pub fn program(&self) -> Option<&Path> {
        self.program.as_ref().map(File::path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_form_has_less_of_everything() {
        let parse = RoundTrip::parse_from::<_, &str>;
        let (long, short) = (parse(["round_trip"].to_vec()), parse(["round_trip", "--short"].to_vec()));
        assert!(short.common.rounds >= 2, "there and back");
        assert!(short.common.rounds < long.common.rounds && short.samples < long.samples && short.panics < long.panics);

        let parse = Addresses::parse_from::<_, &str>;
        let (long, short) = (parse(["actix"].to_vec()), parse(["actix", "--short"].to_vec()));
        assert!(short.common.rounds >= 2 && short.calls < long.calls && short.casts < long.casts);

        let parse = DeviceToDevice::parse_from::<_, &str>;
        let (long, short) = (parse(["device_to_device"].to_vec()), parse(["device_to_device", "--short"].to_vec()));
        assert!(short.common.rounds >= 2 && short.hops < long.hops && short.messages < long.messages && short.actors < long.actors);
        assert!(short.steps < long.steps && (1..long.idle).contains(&short.idle));

        let parse = Checkpoint::parse_from::<_, &str>;
        let (long, short) = (parse(["checkpoint"].to_vec()), parse(["checkpoint", "--short"].to_vec()));
        assert!(short.common.rounds >= 2 && short.repeats < long.repeats && (1..long.seconds).contains(&short.seconds));
        assert_eq!(short.mib, long.mib, "else a pause is no part of the same copy");

        let parse = Takeover::parse_from::<_, &str>;
        let (long, short) = (parse(["takeover"].to_vec()), parse(["takeover", "--short"].to_vec()));
        assert!(short.common.rounds >= 2 && short.repeats < long.repeats && short.faults < long.faults && short.samples < long.samples);

        let parse = Throughput::parse_from::<_, &str>;
        let (long, short) = (parse(["throughput"].to_vec()), parse(["throughput", "--short"].to_vec()));
        assert!(short.common.rounds >= 2 && short.stream < long.stream && short.messages < long.messages);
        assert_eq!((short.shards, short.threads), (vec![128], vec![1, 8]));
        assert_eq!((long.shards, long.threads), (vec![64, 128], vec![1, 4, 8]));
    }

    #[test]
    fn what_is_given_stands_in_the_short_form_too() {
        let args = RoundTrip::parse_from(["round_trip", "--short", "--rounds", "6", "--samples", "7000"]);
        assert_eq!((args.common.rounds, args.samples, args.panics), (6, 7000, 100));
    }

    #[test]
    fn arguments_name_no_folder() {
        let args = Flights::parse_from(["flights", "--json", "/somewhere/else/flights.json", "--program", "/home/me/flights"]);
        assert_eq!(args.common.json(), Some(Path::new("/somewhere/else/flights.json")));
        assert_eq!(args.program(), Some(Path::new("/home/me/flights")));
        let text = format!("{args:?}");
        assert!(text.contains(r#"json: Some("flights.json")"#) && text.contains(r#"program: Some("flights")"#), "{text}");
        assert!(!text.contains('/'), "{text}");
    }
}
