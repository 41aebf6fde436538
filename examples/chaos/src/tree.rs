//! The supervised tree:
//!
//! ```text
//!   chaos (one for one)
//!     archive                   CPU: takes the couriers' slips, never struck
//!     kept                      where checkpoints are taken: a till that goes back to them, never struck
//!     desk (one for all)        till, courier, teller
//!     floor (rest for one)      till, teller, vault
//!     pool (one for one)        tills, couriers, vaults, tellers
//!     branch (rest for one)     a device of its own, till, teller
//! ```
//!
//! Tills, couriers and vaults are resident actors, tellers are actors of ractor's.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chaos_actors::{Courier, Slip, Till, Vault};
use parking_lot::Mutex;
use ractor::{ActorProcessingErr, ActorRef};
use resident::guardian::{Builder, DeviceSlot, Directive, InFlight, On, Restart, Restore, Shutdown, Strategy, SupervisorError};
use resident::prelude::*;

use crate::board::Board;
use crate::clerk::{Clerk, Hand, Resides, Teller, Tells};

/// The name that slips are sent to.
pub const ARCHIVE: &str = "chaos/archive";
/// A team gives up at more restarts within a second than this, and is itself started again.
const TEAM: (u32, Duration) = (4, Duration::from_secs(1));
const TEAMS: [&str; 4] = ["desk", "floor", "pool", "branch"];

/// Where a child lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the device.
    Device,
    /// On the branch's own device, which is lost for good now and then.
    Branch,
    /// In this process.
    Here,
}

/// A child, as senders and faults know it.
pub struct Child {
    pub index: usize,
    pub id: &'static str,
    pub team: &'static str,
    pub kind: &'static str,
    pub place: Place,
    pub hand: Box<dyn Hand>,
}

impl Child {
    pub fn name(&self) -> String {
        format!("{}/{}", self.team, self.id)
    }

    /// Takes its present actor; false if there is none.
    pub async fn look(&self, root: &SupervisorRef) -> bool {
        match root.supervisor(self.team).await {
            Some(team) => self.hand.look(&team, self.id).await,
            None => false,
        }
    }
}

/// The tree, running.
pub struct Tree {
    pub root: SupervisorRef,
    pub children: Vec<Child>,
    /// The branch's device.
    pub branch: DeviceSlot,
}

/// Who is where: team, id, kind.
const CHILDREN: [(&str, &str, &str); 16] = [
    ("desk", "till", "Till"),
    ("desk", "courier", "Courier"),
    ("desk", "teller", "Teller"),
    ("floor", "till", "Till"),
    ("floor", "teller", "Teller"),
    ("floor", "vault", "Vault"),
    ("pool", "till-1", "Till"),
    ("pool", "till-2", "Till"),
    ("pool", "till-3", "Till"),
    ("pool", "courier-1", "Courier"),
    ("pool", "courier-2", "Courier"),
    ("pool", "vault-1", "Vault"),
    ("pool", "vault-2", "Vault"),
    ("pool", "teller", "Teller"),
    ("branch", "till", "Till"),
    ("branch", "teller", "Teller"),
];

/// How many children there are.
pub const CHILDREN_COUNT: usize = CHILDREN.len();

/// Starts the tree on `system`, with the actor that checkpoints are for if it is `kept`.
pub async fn start(system: &System, board: &Arc<Board>, kept: bool) -> anyhow::Result<Tree> {
    let branch = DeviceSlot::new("device");
    // Always the CPU's: of a GPU, a process has one system at a time. Its first loss is its last.
    let config = Config { shards: Some(1), intensity: (0, Duration::from_secs(1)), ..Config::cpu() };
    let mut teams = TEAMS.map(|team| {
        let strategy = match team {
            "desk" => Strategy::OneForAll,
            "floor" | "branch" => Strategy::RestForOne,
            _ => Strategy::OneForOne,
        };
        Supervisor::builder(team).strategy(strategy).intensity(TEAM.0, TEAM.1)
    });
    teams[3] = teams[3].clone().child(ChildSpec::device(&branch, config));
    let mut children = Vec::new();
    for (index, (team, id, kind)) in CHILDREN.into_iter().enumerate() {
        let place = match (kind, team) {
            ("Teller", _) => Place::Here,
            (_, "branch") => Place::Branch,
            _ => Place::Device,
        };
        let on = || if place == Place::Branch { On::from(&branch) } else { On::from(system) };
        let (spec, hand) = match kind {
            "Till" => clerk::<Till>(board, index, id, on()),
            "Courier" => clerk::<Courier>(board, index, id, on()),
            "Vault" => clerk::<Vault>(board, index, id, on()),
            _ => teller(board, index, id),
        };
        let spec = spec.name(format!("chaos/{team}/{id}")).restart(Restart::Permanent).shutdown(Shutdown::Timeout(Duration::from_secs(5)));
        let at = TEAMS.iter().position(|known| *known == team).unwrap_or_default();
        teams[at] = teams[at].clone().child(spec);
        children.push(Child { index, id, team, kind, place, hand });
    }
    system.route::<Slip, ArchiveMsg>(ARCHIVE)?;
    let archive = {
        let board = board.clone();
        ChildSpec::actor("archive", move || Archive(board.clone()), ()).name(ARCHIVE)
    };
    let mut root = Supervisor::builder("chaos").intensity(u32::MAX, Duration::from_secs(1)).child(archive);
    if kept {
        let till = ChildSpec::gpu("kept", || Till::new(0)).restore(Restore::LatestCheckpoint).in_flight(InFlight::Replay);
        root = root.child(till.on(system));
    }
    let root = teams.into_iter().fold(root, |root: Builder, team| root.child(supervised(team, board)));
    let root = root.start().await?;
    let tree = Tree { root, children, branch };
    for child in &tree.children {
        anyhow::ensure!(child.look(&tree.root).await, "{} does not run", child.name());
    }
    Ok(tree)
}

fn supervised(team: Builder, board: &Arc<Board>) -> ChildSpec {
    let board = board.clone();
    ChildSpec::supervisor(team).on_error(move |error| {
        if error.is::<SupervisorError>() {
            board.escalations.fetch_add(1, Ordering::Relaxed);
        }
        Directive::Restart
    })
}

fn clerk<A: Clerk>(board: &Arc<Board>, index: usize, id: &str, on: On) -> (ChildSpec, Box<dyn Hand>) {
    let begin = {
        let board = board.clone();
        move || A::new(board.begin(index))
    };
    let board = board.clone();
    let spec = ChildSpec::gpu(id, begin).on(on).on_fault(move |fault| board.failed::<A>(index, fault));
    (spec, Box::new(Resides::<A>::default()))
}

fn teller(board: &Arc<Board>, index: usize, id: &str) -> (ChildSpec, Box<dyn Hand>) {
    let (begin, board) = (board.clone(), board.clone());
    let spec = ChildSpec::actor_with(id, move || (Teller { board: begin.clone(), index }, begin.begin(index)));
    let spec = spec.on_error(move |_| {
        board.failed_tellers.fetch_add(1, Ordering::Relaxed);
        Directive::Restart
    });
    (spec, Box::new(Tells::default()))
}

/// Takes the couriers' slips.
struct Archive(Arc<Board>);

/// What it takes.
struct ArchiveMsg(Slip);

impl From<Slip> for ArchiveMsg {
    fn from(slip: Slip) -> ArchiveMsg {
        ArchiveMsg(slip)
    }
}

/// The last slip of each life and lane, since those of one come in order.
type Seen = Mutex<std::collections::BTreeMap<(u64, u32), u32>>;

#[ractor::actor(message = ArchiveMsg, state = Seen, arguments = ())]
impl Archive {
    async fn pre_start(&self, _: ActorRef<ArchiveMsg>, _: ()) -> Result<Seen, ActorProcessingErr> {
        Ok(Seen::default())
    }

    async fn handle(&self, _: ActorRef<ArchiveMsg>, ArchiveMsg(slip): ArchiveMsg, seen: &mut Seen) -> Result<(), ActorProcessingErr> {
        let last = seen.get_mut().entry((slip.life, slip.lane)).or_insert(0);
        if slip.number <= *last {
            return Err(format!("{slip:?} came after {last}").into());
        }
        *last = slip.number;
        *self.0.slips.lock().entry(slip.life).or_insert(0) += 1;
        Ok(())
    }
}
