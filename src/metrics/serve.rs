//! Serves metrics for Prometheus: one thread, which answers a few at a time, with one page, and waits for nobody for long.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use metrics::set_global_recorder;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{interval, sleep, timeout};

use super::buckets;

/// Connections at a time; the others wait for one of them to end.
const AT_ONCE: usize = 64;
/// Connections that wait for their turn in the system; others try again.
const WAITING: u32 = 1024;
/// How long a connection may take in all.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest request that is read.
const REQUEST: usize = 8 * 1024;
/// How often values are put into their buckets while nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);
/// How long no connection is taken where the system has none to give.
const REST: Duration = Duration::from_millis(100);

/// Why metrics are not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// Another socket has the address.
    #[error("metrics cannot be served at {0}: the address is in use; end the program that has it, or choose another")]
    InUse(SocketAddr),
    /// The address cannot be had.
    #[error("metrics cannot be served at {address}: {error}; choose an address of this machine, and a port from 1024 on")]
    Address {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// A recorder was installed before, which stays.
    #[error(
        "metrics have a recorder already, and a program has one: install it once, or tell the other one of `resident::metrics::buckets`"
    )]
    Installed,
    /// The system has no thread for it.
    #[error("nobody to serve metrics: {0}; end something, or raise the limit of threads or open files")]
    Thread(#[source] io::Error),
}

/// Installs a recorder for the whole program and serves what it has at `address`, for Prometheus, as long as the program runs. Returns the
/// address, which has the port that was found if port 0 was asked for. It may be called before or after systems are started.
///
/// ```no_run
/// resident::metrics::install(([127, 0, 0, 1], 9000).into())?;
/// # Ok::<(), resident::metrics::InstallError>(())
/// ```
pub fn install(address: SocketAddr) -> Result<SocketAddr, InstallError> {
    let with = |builder: PrometheusBuilder, (name, bounds): (&str, Vec<f64>)| {
        builder.set_buckets_for_metric(Matcher::Full(name.into()), &bounds).expect("each histogram has buckets")
    };
    let recorder = buckets().fold(PrometheusBuilder::new(), with).build_recorder();
    let page = recorder.handle();
    let (tell, told) = sync_channel(1);
    let (begin, begun) = sync_channel(1);
    // The runtime is the thread's: here may be another, in which none is dropped.
    let serving = move || {
        let (runtime, listener) = match listen(address) {
            Ok(listening) => listening,
            Err(error) => return drop(tell.send(Err(error))),
        };
        let _ = tell.send(listener.local_addr().map_err(|error| InstallError::Address { address, error }));
        if begun.recv().is_ok() {
            runtime.block_on(serve(listener, page));
        }
    };
    let thread = thread::Builder::new().name("resident-metrics".into()).spawn(serving).map_err(InstallError::Thread)?;
    let listening =
        told.recv().unwrap_or_else(|_| Err(InstallError::Thread(io::Error::other("the thread has panicked, please report it"))));
    let installed = listening.and_then(|address| set_global_recorder(recorder).map(|()| address).map_err(|_| InstallError::Installed));
    if installed.is_ok() {
        let _ = begin.send(());
    } else {
        drop(begin);
        // Once it has ended, which takes no time, the address is free again.
        let _ = thread.join();
    }
    installed
}

fn listen(address: SocketAddr) -> Result<(Runtime, TcpListener), InstallError> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build().map_err(InstallError::Thread)?;
    let listener = {
        let _in_it = runtime.enter();
        listener(address).map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => InstallError::InUse(address),
            _ => InstallError::Address { address, error },
        })?
    };
    Ok((runtime, listener))
}

fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // What is left of a program that has ended is no other's.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

async fn serve(listener: TcpListener, page: PrometheusHandle) {
    let upkeep = page.clone();
    tokio::spawn(async move {
        let mut turns = interval(UPKEEP);
        loop {
            turns.tick().await;
            upkeep.run_upkeep();
        }
    });
    let (ask, asked) = mpsc::channel(AT_ONCE);
    tokio::spawn(render(page, asked));
    let seats = Arc::new(Semaphore::new(AT_ONCE));
    while let Ok(seat) = seats.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let ask = ask.clone();
                tokio::spawn(async move {
                    // Whoever hangs up or takes too long gets no answer.
                    let _ = timeout(PATIENCE, answer(stream, ask)).await;
                    drop(seat);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "metrics were asked for, and there is no connection");
                sleep(REST).await;
            }
        }
    }
}

/// Who waits for the page.
type Asker = oneshot::Sender<Arc<str>>;

/// Makes a page for all who have asked for it by then.
async fn render(page: PrometheusHandle, mut asked: mpsc::Receiver<Asker>) {
    let mut askers = Vec::new();
    while asked.recv_many(&mut askers, AT_ONCE).await > 0 {
        let text: Arc<str> = page.render().into();
        for asker in askers.drain(..) {
            // Whoever has hung up does not need it.
            let _ = asker.send(text.clone());
        }
    }
}

/// Reads a request and answers it.
async fn answer(mut stream: TcpStream, ask: mpsc::Sender<Asker>) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if request.len() > REQUEST || stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let line = String::from_utf8_lossy(&request);
    let mut words = line.split_ascii_whitespace();
    let (status, body) = match (words.next(), words.next().and_then(|path| path.split('?').next())) {
        (Some("GET"), Some("/" | "/metrics")) => {
            let (asker, page) = oneshot::channel();
            let _ = ask.send(asker).await;
            ("200 OK", page.await.map_err(io::Error::other)?)
        }
        (Some("GET"), _) => ("404 Not Found", "metrics are at /metrics\n".into()),
        _ => ("405 Method Not Allowed", "GET /metrics\n".into()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n", body.len());
    stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}
