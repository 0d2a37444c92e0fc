//! Waits that the host would not interrupt by itself, and code that asks instead of being told.

use super::*;

#[test]
fn a_receive_that_waits_is_interrupted() {
    start(|| async { signals::<u32>("s").recv().await });
    assert!(cancel_run().is_empty());
    assert_eq!(wait_canceled(1), ["failed canceled"]);
    start(|| async {
        let mut values = signals::<u32>("s");
        let next = values.next().await;
        next.expect("signals have no end")
    });
    assert!(cancel_run().is_empty());
    assert_eq!(wait_canceled(1), ["failed canceled"]);
}

#[test]
fn a_channel_that_waits_is_interrupted() {
    start(|| async {
        let (send, mut receive) = futures::channel::mpsc::unbounded::<u32>();
        let received = or_canceled(receive.next()).await?;
        drop(send);
        Ok(received)
    });
    assert!(cancel_run().is_empty());
    assert_eq!(wait_canceled(1), ["failed canceled"]);
    start(|| async {
        let (send, ended) = tokio::sync::oneshot::channel::<u32>();
        let received = or_canceled(ended).await?;
        drop(send);
        Ok(received?)
    });
    assert!(cancel_run().is_empty());
    assert_eq!(wait_canceled(1), ["failed canceled"]);
}

/// Waits for a request or a signal, whichever comes first, and ends well in both cases.
async fn asks() -> Result<String, Failure> {
    let mut values = signals::<u32>("s");
    let mut requested = std::pin::pin!(future::FutureExt::fuse(scope::when_requested()));
    let mut received = std::pin::pin!(future::FutureExt::fuse(values.recv()));
    select_biased! {
        value = received => Ok(format!("signal {}", value?)),
        _ = requested => Ok("requested".into()),
    }
}

#[test]
fn s15_code_can_wait_for_the_request_beside_a_signal_and_is_not_interrupted() {
    assert_eq!(start(asks), ["1 wait signal s in 0"]);
    assert_eq!(cancel_run(), ["close-wait 1", "completed \"requested\""]);
    assert_eq!(start(asks), ["1 wait signal s in 0"]);
    assert_eq!(signal("s", 7), ["close-wait 1", "completed \"signal 7\""]);
}
