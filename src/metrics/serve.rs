//! Serves metrics for Prometheus: one thread, which answers a few at a time and waits for nobody for long.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use metrics::set_global_recorder;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::time::{interval, sleep, timeout};

use super::buckets;

/// Connections at a time; the others wait for one of them to end.
const AT_ONCE: usize = 64;
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
    let refused = |error: io::Error| match error.kind() {
        ErrorKind::AddrInUse => InstallError::InUse(address),
        _ => InstallError::Address { address, error },
    };
    let listener = TcpListener::bind(address).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let with = |builder: PrometheusBuilder, (name, bounds): (&str, Vec<f64>)| {
        builder.set_buckets_for_metric(Matcher::Full(name.into()), &bounds).expect("each histogram has buckets")
    };
    let recorder = buckets().fold(PrometheusBuilder::new(), with).build_recorder();
    let page = recorder.handle();
    let runtime = Builder::new_current_thread().enable_io().enable_time().build().map_err(InstallError::Thread)?;
    let (begin, begun) = sync_channel(1);
    let serving = move || {
        if begun.recv().is_ok() {
            runtime.block_on(serve(listener, page));
        }
    };
    let thread = thread::Builder::new().name("resident-metrics".into()).spawn(serving).map_err(InstallError::Thread)?;
    if set_global_recorder(recorder).is_err() {
        drop(begin);
        // The address is free again once it has ended, and it waits for nothing.
        let _ = thread.join();
        return Err(InstallError::Installed);
    }
    let _ = begin.send(());
    Ok(address)
}

async fn serve(listener: TcpListener, page: PrometheusHandle) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "metrics are not served"),
    };
    let upkeep = page.clone();
    tokio::spawn(async move {
        let mut turns = interval(UPKEEP);
        loop {
            turns.tick().await;
            upkeep.run_upkeep();
        }
    });
    let seats = Arc::new(Semaphore::new(AT_ONCE));
    while let Ok(seat) = seats.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let page = page.clone();
                tokio::spawn(async move {
                    // Whoever hangs up or takes too long gets no answer.
                    let _ = timeout(PATIENCE, answer(stream, &page)).await;
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

/// Reads a request and answers it.
async fn answer(mut stream: TcpStream, page: &PrometheusHandle) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if request.len() > REQUEST || stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let line = String::from_utf8_lossy(&request);
    let mut words = line.split_ascii_whitespace();
    let (status, body) = match (words.next(), words.next().and_then(|path| path.split('?').next())) {
        (Some("GET"), Some("/" | "/metrics")) => ("200 OK", page.render()),
        (Some("GET"), _) => ("404 Not Found", "metrics are at /metrics\n".into()),
        _ => ("405 Method Not Allowed", "GET /metrics\n".into()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n", body.len());
    stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes()).await?;
    stream.shutdown().await
}
