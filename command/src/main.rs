//! `resident new NAME`, `resident doctor`, `resident devices`, `resident inspect-ptx CRATE`, `resident config`,
//! `resident checkpoint list|show|verify|diff|compact DIR`: for people, and with `--json` for programs.
//!
//! Exit status: 0 if all is well, 1 if something is damaged, would stop a program, or could not be done, 2 if the command line makes no sense.

#![forbid(unsafe_code)]

mod config;
mod diff;
mod doctor;
mod error;
mod inspect;
mod list;
mod new;
mod output;
mod show;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use resident_checkpoint::{Archive, Directory, Options};

use error::Error;
use output::Output;

/// Begins a project of resident actors, says whether this machine can run them, and looks after what they leave behind.
#[derive(Parser)]
#[command(name = "resident", version, about)]
struct Command {
    #[command(subcommand)]
    room: Room,
}

#[derive(Subcommand)]
enum Room {
    /// Makes a project that builds and answers a call: an application and its actors.
    New(new::New),
    /// Looks at all that a program needs, and tries it. Exits with 1 if something would stop one.
    Doctor(Form),
    /// The devices that actors can live on.
    Devices(Form),
    /// The settings that programs find here, and where each is from.
    Config(config::Asked),
    /// What each handler of a crate takes of a GPU: registers, stack, spills, and lanes that it would cost.
    InspectPtx(inspect::Inspect),
    /// Checkpoints that were saved to a directory.
    #[command(subcommand)]
    Checkpoint(Act),
}

#[derive(Subcommand)]
enum Act {
    /// The points that can be restored, the newest first.
    List(Place),
    /// What is in a checkpoint.
    Show {
        #[command(flatten)]
        place: Place,
        /// Which point, by its number; the newest if none is given.
        number: Option<u64>,
        /// Only the actor of this name, with its state.
        #[arg(long, value_name = "NAME")]
        actor: Option<String>,
    },
    /// Reads everything and restores each point. Exits with 1 if one can not be.
    Verify(Place),
    /// What became of one point in another.
    Diff {
        #[command(flatten)]
        place: Place,
        /// The earlier point, by its number.
        before: u64,
        /// The later one.
        after: u64,
    },
    /// Makes the newest point a whole checkpoint, and deletes what the newest points do not need.
    Compact {
        #[command(flatten)]
        place: Place,
        /// So many of the newest points stay.
        #[arg(long, default_value_t = Options::default().keep)]
        keep: usize,
    },
}

#[derive(Args)]
struct Form {
    /// One JSON document on standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Place {
    /// The directory.
    dir: PathBuf,
    #[command(flatten)]
    form: Form,
}

fn main() -> ExitCode {
    let Command { room } = Command::parse();
    let json = room.form().json;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build();
    let done = runtime.map_err(Error::Runtime).and_then(|runtime| runtime.block_on(enter(room)));
    let (output, code) = match done {
        Ok(output) => (output, ExitCode::SUCCESS),
        Err(Error::Damaged(output) | Error::Unfit(output)) => (output, ExitCode::FAILURE),
        Err(error) => {
            eprintln!("resident: {error}");
            return ExitCode::FAILURE;
        }
    };
    match output.print(json) {
        Ok(()) => code,
        // Who reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => code,
        Err(error) => {
            eprintln!("resident: could not write: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn enter(room: Room) -> Result<Output, Error> {
    match room {
        Room::New(wanted) => new::new(&wanted),
        Room::Doctor(_) => doctor::doctor().await,
        Room::Devices(_) => Ok(doctor::devices()),
        Room::Config(asked) => config::config(&asked),
        Room::InspectPtx(asked) => inspect::inspect(&asked),
        Room::Checkpoint(act) => run(act).await,
    }
}

async fn run(act: Act) -> Result<Output, Error> {
    let reader = |place: &Place| Ok::<_, Error>(Archive::open(Directory::reader(&place.dir)?, Options::default()));
    match act {
        Act::List(place) => list::list(&reader(&place)?, &place.dir).await,
        Act::Show { place, number, actor } => show::show(&reader(&place)?, &place.dir, number, actor.as_deref()).await,
        Act::Verify(place) => verify::verify(&reader(&place)?, &place.dir).await,
        Act::Diff { place, before, after } => diff::diff(&reader(&place)?, before, after).await,
        Act::Compact { place, keep } => {
            // Read first: a directory that is not there is not to be made, and what was compressed stays so.
            let newest = reader(&place)?.list().await?.into_iter().next();
            let compression = newest.and_then(|point| point.header.ok()).map(|header| header.compression).unwrap_or_default();
            let archive = Archive::open(Directory::writer(&place.dir)?, Options { keep, compression, ..Options::default() });
            list::compact(&archive, &place.dir).await
        }
    }
}

impl Room {
    fn form(&self) -> &Form {
        match self {
            Room::New(wanted) => &wanted.form,
            Room::Config(asked) => &asked.form,
            Room::InspectPtx(asked) => &asked.form,
            Room::Doctor(form) | Room::Devices(form) => form,
            Room::Checkpoint(act) => &act.place().form,
        }
    }
}

impl Act {
    fn place(&self) -> &Place {
        match self {
            Act::List(place) | Act::Verify(place) => place,
            Act::Show { place, .. } | Act::Diff { place, .. } | Act::Compact { place, .. } => place,
        }
    }
}
