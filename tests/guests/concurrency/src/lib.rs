//! Workflows that use the futures of other crates as they are: what works live must work after the
//! instance was dropped and replayed.
//!
//! The test host serves the activity `Echo`, which returns its argument, a number.

use std::collections::HashMap;
use std::time::Duration;

use futures::channel::mpsc;
use futures::future::{join_all, try_join_all};
use futures::stream::{FuturesUnordered, StreamExt};
use futures::{FutureExt, join, select};
use sandglass_guest::prelude::*;
use sandglass_guest::{Timestamp, or_canceled};
use tokio::sync::oneshot;

/// Returns its argument.
#[activity(name = "Echo", retry(maximum_attempts = 1))]
async fn echo(value: u64) -> Result<u64, Failure>;

/// A thousand activities at once; returns the sum of 0 to 999.
#[workflow]
async fn join_all_1000() -> Result<u64, Failure> {
    let results = join_all((0..1000).map(echo)).await;
    results.into_iter().sum()
}

/// Activities in the order in which they end; returns how many there were and their sum.
#[workflow]
async fn futures_unordered(count: u64) -> Result<(u64, u64), Failure> {
    let mut pending: FuturesUnordered<_> = (0..count).map(echo).collect();
    let (mut ended, mut sum) = (0, 0);
    while let Some(value) = pending.next().await {
        ended += 1;
        sum += value?;
    }
    Ok((ended, sum))
}

/// Takes signals `add` (a number) until one `stop` arrives or a minute has passed since the last;
/// returns the sum and how it ended.
#[workflow]
async fn select_loop() -> Result<(u64, String), Failure> {
    let mut sum = 0;
    let mut numbers = signals::<u64>("add");
    let mut stops = signals::<()>("stop");
    let end = loop {
        let (mut number, mut stop) = (
            Box::pin(numbers.recv()).fuse(),
            Box::pin(stops.recv()).fuse(),
        );
        select! {
            value = number => sum += echo(value?).await?,
            stopped = stop => {
                stopped?;
                break "stopped";
            }
            slept = sleep(Duration::from_secs(60)).fuse() => {
                slept?;
                break "idle";
            }
        }
    };
    Ok((sum, end.to_owned()))
}

/// Tasks that send what they got through a channel; returns the sum of 1 to 10.
#[workflow]
async fn mpsc_channel() -> Result<u64, Failure> {
    let (sender, mut receiver) = mpsc::channel(2);
    for value in 1..=10 {
        let mut sender = sender.clone();
        let send = async move {
            let value = echo(value).await?;
            or_canceled(futures::SinkExt::send(&mut sender, value)).await??;
            Ok::<_, Failure>(())
        };
        drop(spawn(send));
    }
    drop(sender);
    let mut sum = 0;
    while let Some(value) = or_canceled(receiver.next()).await? {
        sum += value;
    }
    Ok(sum)
}

/// A task that answers another's question; returns 42.
#[workflow]
async fn oneshot_channel() -> Result<u64, Failure> {
    let (ask, asked) = oneshot::channel::<u64>();
    let (answer, answered) = oneshot::channel();
    let oracle = spawn(async move {
        let question = or_canceled(asked).await??;
        let half = echo(question).await?;
        answer
            .send(half * 2)
            .map_err(|_| Failure::application("Gone", "nobody listens"))
    });
    let asking = async {
        sleep(Duration::from_millis(10)).await?;
        ask.send(21)
            .map_err(|_| Failure::application("Gone", "nobody listens"))
    };
    let (asking, answer) = join!(asking, or_canceled(answered));
    asking?;
    oracle.await??;
    Ok(answer??)
}

/// What `random_and_time` returns: everything that would differ if it were not deterministic.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Observed {
    /// The keys of a `HashMap`, in its own order.
    order: Vec<String>,
    /// The time at the start and after a timer.
    times: Vec<Timestamp>,
    numbers: Vec<u64>,
    uuid: String,
    /// The branches that `select!` took when both were ready.
    branches: Vec<u8>,
}

/// Returns what it sees of time, chance and order.
#[workflow]
async fn random_and_time() -> Result<Observed, Failure> {
    let map: HashMap<String, usize> = (0..50).map(|n| (format!("key-{n}"), n)).collect();
    let start = now();
    let mut numbers = vec![random::number()];
    sleep(Duration::from_millis(20)).await?;
    numbers.extend((0..3).map(|_| random::below(1_000_000)));
    let branches = (0..20).map(|_| {
        let (mut first, mut second) = (futures::future::ready(1), futures::future::ready(2));
        async move {
            select! { branch = first => branch, branch = second => branch }
        }
    });
    Ok(Observed {
        order: map.into_keys().collect(),
        times: vec![start, now()],
        numbers,
        uuid: random::uuid(),
        branches: join_all(branches).await,
    })
}

/// Scopes in scopes, side by side. The inner one is canceled by code, one runs into its timeout, the
/// others go on; returns what became of each.
#[workflow]
async fn nested_scopes() -> Result<Vec<String>, Failure> {
    let say = |name: &str, result: Result<u64, Failure>| match result {
        Ok(value) => format!("{name}: {value}"),
        Err(failure) if failure.is_timeout() => format!("{name}: timed out"),
        Err(failure) if failure.is_cancellation() => format!("{name}: canceled"),
        Err(failure) => format!("{name}: {failure}"),
    };
    let hour = || async { sleep(Duration::from_secs(3600)).await.map(|()| 0) };
    let inner = Scope::cancellable();
    let (canceled, shielded, limited, free) = join!(
        inner.run(async {
            let both = join!(hour(), scope::shielded(async { echo(1).await }));
            both.1.and(both.0)
        }),
        scope::shielded(async {
            try_join_all([echo(2), echo(3)])
                .await
                .map(|all| all.iter().sum())
        }),
        scope::with_timeout(Duration::from_millis(50), hour()),
        async {
            let value = echo(4).await?;
            inner.cancel("enough");
            Ok(value)
        },
    );
    Ok(vec![
        say("canceled", canceled),
        say("shielded", shielded),
        say("limited", limited),
        say("free", free),
    ])
}

sandglass_guest::export! {
    workflows: [
        join_all_1000, futures_unordered, select_loop, mpsc_channel, oneshot_channel,
        random_and_time, nested_scopes,
    ],
}
