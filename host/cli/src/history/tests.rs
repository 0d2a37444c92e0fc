//! Tests of the text form of a history.

use super::*;
use sandglass_engine::{CancelRequest, Digest, EventId, Start};

fn history(attributes: Vec<EventAttributes>) -> Vec<HistoryEvent> {
    let number = |(index, attributes)| {
        let index = index as u64;
        HistoryEvent {
            event_id: EventId(index + 1),
            event_time: Timestamp(1000 + index * 750),
            attributes,
        }
    };
    attributes.into_iter().enumerate().map(number).collect()
}

#[test]
fn a_history_reads_as_one_line_for_each_event() {
    let call = ActivityCall {
        activity_type: "greet".into(),
        arguments: vec![Payload::json("\"World\"")],
        ..ActivityCall::default()
    };
    let start = Start {
        workflow_type: "hello".into(),
        arguments: vec![Payload::json("\"World\"")],
        identity: "cli".into(),
        ..Start::default()
    };
    let events = history(vec![
        EventAttributes::WorkflowExecutionStarted(Box::new(start)),
        EventAttributes::WorkflowTaskScheduled { attempt: 1 },
        EventAttributes::ActivityTaskScheduled {
            activity_id: "1".into(),
            call: Box::new(call),
            workflow_task_completed_event_id: EventId(2),
        },
        EventAttributes::ActivityTaskStarted {
            scheduled_event_id: EventId(3),
            attempt: 2,
            identity: "worker".into(),
            last_failure: Some(Failure::application("Busy", "try\nlater")),
        },
        EventAttributes::ActivityTaskCompleted {
            result: Payload::json("\"Hello\""),
            scheduled_event_id: EventId(3),
            started_event_id: EventId(4),
        },
        EventAttributes::WorkflowExecutionCancelRequested(CancelRequest {
            reason: "enough".into(),
            identity: "cli".into(),
            ..CancelRequest::default()
        }),
    ]);
    let expected = "\
1       +0ms  WorkflowExecutionStarted          hello(\"World\") by cli, component 000000000000
2     +750ms  WorkflowTaskScheduled
3    +1.500s  ActivityTaskScheduled             greet [1] (\"World\")
4    +2.250s  ActivityTaskStarted               greet [1], attempt 2 after Busy: try later
5    +3.000s  ActivityTaskCompleted             greet [1] -> \"Hello\"
6    +3.750s  WorkflowExecutionCancelRequested  by cli: enough
";
    assert_eq!(text(&events), expected);
}

#[test]
fn a_task_names_its_component_only_if_it_is_another() {
    let completed = |digest| EventAttributes::WorkflowTaskCompleted {
        scheduled_event_id: EventId(2),
        started_event_id: EventId(3),
        digest,
    };
    let events = history(vec![EventAttributes::WorkflowExecutionStarted(
        Box::default(),
    )]);
    assert_eq!(describe(&completed(Digest::default()), &events), "");
    assert_eq!(
        describe(&completed(Digest([0xcd; 32])), &events),
        "component cdcdcdcdcdcd"
    );
}
