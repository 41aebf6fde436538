//! The service over HTTP, on the CPU device: its answers are those of the actors, also around a fault and a stop.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, yield_now};
use std::time::{Duration, Instant};

use actix::{Arbiter, ArbiterHandle};
use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use flights_actors::Report;
use flights_web::{Fleet, serve};
use resident::{Config, StopReport, System};
use rustix::process::{Pid, Signal, kill_process};

/// How long something may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);
const GOOD: &str = r#"{"arr_delay": 11, "air_time": 227, "distance": 1400}"#;
const TOO_FAR: &str = r#"{"distance": 24902}"#;
const FAULT: &str = "a flight of 24902 miles: once around the Earth is 24901";
/// Clients at a time, each with an aircraft of its own.
const CLIENTS: usize = 8;

/// A server in a thread of its own, and the system behind it.
struct Served {
    address: SocketAddr,
    server: ServerHandle,
    system: System,
    arbiter: ArbiterHandle,
    /// When the server has ended: the flights that the clients' aircraft have counted by then, and how the system ended.
    ended: Receiver<(u64, StopReport)>,
}

fn start() -> Served {
    let (send, started) = channel();
    let (ends, ended) = channel();
    thread::spawn(move || {
        actix::System::new().block_on(async move {
            let system = System::start(Config::cpu()).await.unwrap();
            let fleet = Data::new(Fleet::new(system.clone(), Arbiter::current()));
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = serve(listener, fleet.clone(), 2).unwrap();
            send.send((address, server.handle(), system.clone(), Arbiter::current())).unwrap();
            server.await.unwrap();
            let mut counted = 0;
            for client in 0..CLIENTS {
                if let Ok(aircraft) = fleet.known(&tail(client))
                    && let Ok(totals) = aircraft.send(Report).await
                {
                    counted += u64::from(totals.unwrap().flights);
                }
            }
            ends.send((counted, system.stop().await)).unwrap();
        });
    });
    let (address, server, system, arbiter) = started.recv_timeout(PATIENCE).unwrap();
    Served { address, server, system, arbiter, ended }
}

impl Served {
    fn stop(self, gracefully: bool) -> (u64, StopReport) {
        self.arbiter.spawn(async move { self.server.stop(gracefully).await });
        self.ended.recv_timeout(PATIENCE).unwrap()
    }
}

fn tail(client: usize) -> String {
    format!("N{client}")
}

/// Asks by a connection of its own: status and body.
fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = "Host: test\r\nConnection: close\r\nContent-Type: application/json";
    stream.write_all(format!("{method} {path} HTTP/1.1\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or(io::ErrorKind::InvalidData)?, body.into()))
}

fn fly(address: SocketAddr, tail: &str, flight: &str) -> io::Result<(u16, String)> {
    ask(address, "POST", &format!("/aircraft/{tail}/flights"), flight)
}

fn totals(address: SocketAddr, tail: &str) -> io::Result<(u16, String)> {
    ask(address, "GET", &format!("/aircraft/{tail}"), "")
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come true within {PATIENCE:?}");
        yield_now();
    }
}

#[test]
fn a_response_is_the_reply_of_an_actor() {
    let served = start();
    let address = served.address;
    assert_eq!(totals(address, "N14228").unwrap(), (404, "no aircraft `N14228` has flown: POST a flight of it first".into()));
    assert_eq!(fly(address, "N14228", GOOD).unwrap(), (204, String::new()));
    assert_eq!(fly(address, "N14228", r#"{"arr_delay": 121, "distance": 30}"#).unwrap().0, 204);
    let sums = r#"{"flights":2,"late":1,"arr_delay":132,"air_time":227,"distance":1430}"#;
    assert_eq!(totals(address, "N14228").unwrap(), (200, sums.into()));
    for wrong in ["N14228-N14229", "N%20"] {
        let (status, text) = fly(address, wrong, GOOD).unwrap();
        assert!(status == 400 && text.contains("no tail number: 12 letters"), "{status} {text}");
    }
    assert_eq!(fly(address, "N1", "{").unwrap().0, 400);
    let (_, report) = served.stop(true);
    assert_eq!((report.drained, report.killed), (1, 0));
}

/// AX-12.
#[test]
fn a_fault_amid_many_requests_is_a_500_to_its_caller_alone() {
    let served = start();
    let address = served.address;
    let begun = AtomicU64::new(0);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let begun = &begun;
            scope.spawn(move || {
                for n in 1..=100 {
                    assert_eq!(fly(address, &tail(client), GOOD).unwrap(), (204, String::new()));
                    let (status, body) = totals(address, &tail(client)).unwrap();
                    assert!(status == 200 && body.starts_with(&format!(r#"{{"flights":{n},"#)), "{status} {body}");
                    begun.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        until("requests are answered", || begun.load(Ordering::Relaxed) > 20);
        for _ in 0..10 {
            assert_eq!(fly(address, "N666", GOOD).unwrap().0, 204);
            let (status, text) = fly(address, "N666", TOO_FAR).unwrap();
            assert!(status == 500 && text.contains(FAULT) && text.contains("`N666`"), "{status} {text}");
            // The next incarnation, by the same address.
            assert_eq!(fly(address, "N666", GOOD).unwrap().0, 204);
            assert!(totals(address, "N666").unwrap().1.starts_with(r#"{"flights":1,"#));
            assert_eq!(fly(address, "N666", TOO_FAR).unwrap().0, 500);
        }
    });
    let (counted, report) = served.stop(true);
    assert_eq!((counted, report.killed, report.dead_letters), (100 * CLIENTS as u64, 0, 0));
}

/// AX-12.
#[test]
fn a_system_that_stops_under_load_answers_every_request() {
    let served = start();
    let (address, system) = (served.address, served.system.clone());
    let taken = AtomicU64::new(0);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let taken = &taken;
                scope.spawn(move || {
                    loop {
                        // Each connection is answered, whatever becomes of the system.
                        match fly(address, &tail(client), GOOD).unwrap() {
                            (204, _) => taken.fetch_add(1, Ordering::Relaxed),
                            (503, text) => return text,
                            other => panic!("{other:?}"),
                        };
                    }
                })
            })
            .collect();
        until("requests are answered", || taken.load(Ordering::Relaxed) > 100);
        let (stops, stopped) = channel();
        served.arbiter.spawn(async move { stops.send(system.stop().await).unwrap() });
        assert_eq!(stopped.recv_timeout(PATIENCE).unwrap().killed, 0);
        let said: HashSet<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        assert_eq!(said, HashSet::from(["the aircraft takes no messages: its system stops".into()]));
    });
    // Nor is anybody new let in.
    let (status, text) = fly(address, "N14228", GOOD).unwrap();
    assert_eq!((status, &*text), (503, "the system has stopped: start another"));
    served.stop(true);
}

/// AX-12.
#[test]
fn a_server_that_stops_under_load_answers_what_it_has_begun() {
    let served = start();
    let address = served.address;
    let (taken, stops) = (AtomicU64::new(0), AtomicBool::new(false));
    let (counted, report) = thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (taken, stops) = (&taken, &stops);
            scope.spawn(move || {
                loop {
                    match fly(address, &tail(client), GOOD) {
                        Ok((204, _)) => taken.fetch_add(1, Ordering::Relaxed),
                        // No server is there, or it ended with this connection not yet taken up.
                        Err(error) if stops.load(Ordering::Relaxed) && error.kind() != io::ErrorKind::WouldBlock => return,
                        other => panic!("{other:?}"),
                    };
                }
            });
        }
        until("requests are answered", || taken.load(Ordering::Relaxed) > 100);
        stops.store(true, Ordering::Relaxed);
        served.stop(true)
    });
    assert_eq!(counted, taken.into_inner(), "what was counted was answered, and the other way round");
    assert_eq!((report.drained, report.killed, report.dead_letters), (CLIENTS, 0, 0));
}

#[test]
fn the_program_stops_in_order_when_it_is_asked_to() {
    let program =
        Command::new(env!("CARGO_BIN_EXE_flights-web")).args(["--listen", "127.0.0.1:0", "--device", "cpu"]).stdout(Stdio::piped()).spawn();
    let mut program = program.unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let address: SocketAddr = first.strip_prefix("http://").unwrap().split(' ').next().unwrap().parse().unwrap();
    for tail in ["N14228", "N804JB", "N14228"] {
        assert_eq!(fly(address, tail, GOOD).unwrap().0, 204);
    }
    kill_process(Pid::from_raw(program.id() as i32).unwrap(), Signal::TERM).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "stopped: 2 aircraft");
    assert!(program.wait().unwrap().success());
}
