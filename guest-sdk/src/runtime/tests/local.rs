//! Local activities: what a workflow asks for, and what it leaves out.

use super::*;

#[test]
fn a_local_activity_is_one_command_without_what_it_cannot_use() {
    async fn main() -> Result<u32, Failure> {
        let options = ActivityOptions::new()
            .task_queue("elsewhere")
            .heartbeat(Duration::from_secs(1))
            .start_to_close(Duration::from_secs(5));
        let typed = ActivityCall::<u32>::new("work").argument(&1).with(options);
        let first = typed.local().start().await?;
        let second = crate::local_activity::<u32>("look")
            .argument(&first)
            .start_to_close(Duration::from_secs(2))
            .retry_threshold(Duration::from_secs(9));
        second.start().await
    }
    let asked = start(main);
    assert_eq!(asked, ["1 local activity work(1) (Some(5000), None) in 0"]);
    let asked = activity_done(1, 7);
    assert_eq!(
        asked,
        ["2 local activity look(7) (Some(2000), Some(9000)) in 0"]
    );
    assert_eq!(activity_done(2, 8), ["completed 8"]);
}

#[test]
fn a_local_activity_is_canceled_when_it_is_dropped_and_refused_in_a_canceled_scope() {
    async fn main() -> Result<(), Failure> {
        drop(crate::local_activity::<u32>("look").start());
        sleep(Duration::from_secs(1)).await.ok();
        crate::local_activity::<()>("look").start().await
    }
    let asked = start(main);
    assert_eq!(
        asked[..2],
        [
            "1 local activity look() (Some(60000), None) in 0",
            "cancel-operation 1"
        ]
    );
    cancel_run();
    let outcome = Err(fake::canceled());
    let asked = send(Event::TimerFired(Resolution {
        operation: 2,
        outcome,
    }));
    assert_eq!(asked, ["failed canceled"]);
}
