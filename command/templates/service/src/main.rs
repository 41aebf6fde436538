//! A service that adds: a client sends a number a line, and gets the sum so far, which an actor on the device keeps.
//!
//! `cargo run` listens on port 7878, `cargo run -- 127.0.0.1:0` on one that is free; Ctrl-C ends it in order.

use std::time::Duration;

use actors::{Add, Tally, TallyMsg, Total};
use anyhow::Context;
use ractor::rpc::CallResult;
use resident::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:7878".into());
    // Every GPU, else the CPU device; RESIDENT_DEVICES=cpu chooses, and `resident config` lists
    // all such settings.
    let system = System::start(Config::load()?).await?;
    println!("running on {}", system.device());
    // Starts the actor again where it fails, three times in five seconds at most.
    let supervisor = Supervisor::builder("service")
        .intensity(3, Duration::from_secs(5))
        .child(ChildSpec::gpu("tally", Tally::default).on(&system))
        .start()
        .await?;
    let tally = supervisor
        .child::<Tally>("tally")
        .await
        .context("the actor has just started")?;
    println!("the first call: {}", add(&tally, 0).await?);

    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| format!("could not listen on {address}"))?;
    println!("listening on {}, Ctrl-C ends it", listener.local_addr()?);
    tokio::select! {
        ended = accept(listener, &tally) => ended?,
        asked = tokio::signal::ctrl_c() => asked?,
    }
    supervisor.stop().await?;
    system.stop().await;
    println!("stopped");
    Ok(())
}

async fn accept(listener: TcpListener, tally: &GpuRef<Tally>) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let tally = tally.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(stream, &tally).await {
                eprintln!("a client is lost: {error}");
            }
        });
    }
}

async fn serve(mut stream: TcpStream, tally: &GpuRef<Tally>) -> anyhow::Result<()> {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = match line.trim().parse() {
            Ok(number) => add(tally, number)
                .await
                .unwrap_or_else(|error| format!("failed: {error}")),
            Err(_) => "a line is a number".into(),
        };
        write.write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
}

/// Calls the actor; an error says why it failed.
async fn add(tally: &GpuRef<Tally>, number: u64) -> anyhow::Result<String> {
    match tally
        .call(|reply| TallyMsg::Add(Add { number }, reply), None)
        .await?
    {
        CallResult::Success(Total { count, sum }) => Ok(format!("{count} numbers, {sum} in all")),
        other => anyhow::bail!("the actor has not replied: {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn numbers_are_added() {
        let system = System::start(Config::cpu()).await.unwrap();
        let (tally, _) = Tally::spawn(None, Tally::default(), &system).await.unwrap();
        assert_eq!(add(&tally, 40).await.unwrap(), "1 numbers, 40 in all");
        assert_eq!(add(&tally, 2).await.unwrap(), "2 numbers, 42 in all");
        let error = add(&tally, u64::MAX).await.unwrap_err();
        assert!(
            error.to_string().contains("the sum is too large"),
            "{error}"
        );
        system.stop().await;
    }
}
