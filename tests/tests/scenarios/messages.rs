//! Queries, updates, memo and search attributes, and patches.

use super::plain;
use sandglass::{
    MessageError, QueryOptions, QueryReject, RunDescription, UpdateOptions, UpdateStage,
};
use sandglass_engine::{Payload, Status, UpdateCounts};
use sandglass_semantics::scenario;
use sandglass_tests::{RunUnderTest, World, WorldBuilder};
use std::time::Duration;

/// The answer to a query, as JSON text.
async fn asked(run: &RunUnderTest, name: &str) -> Result<String, MessageError> {
    let answer = run.handle.query(QueryOptions::new(name)).await?;
    Ok(String::from_utf8(answer.data).unwrap())
}

async fn note(run: &RunUnderTest, text: &str) {
    let note = vec![Payload::json(format!("\"{text}\""))];
    run.handle.signal_named("note", note).await.unwrap();
}

/// The answer to an update, as JSON text; updates without an id of their own get their name.
async fn updated(run: &RunUnderTest, options: UpdateOptions) -> Result<String, MessageError> {
    let id = options.update_id.clone().unwrap_or(options.name.clone());
    let response = run.handle.update(options.id(id)).await?;
    match response.outcome.expect("it was waited for to the end") {
        Ok(value) => Ok(String::from_utf8(value.data).unwrap()),
        Err(failure) => Ok(failure.type_name()),
    }
}

fn add(note: &str) -> UpdateOptions {
    UpdateOptions::new("add").json(format!("\"{note}\""))
}

#[tokio::test]
async fn queries_see_what_was_acknowledged_before_and_leave_no_trace() {
    plain(async |w| {
        let run = w.start("holder").await;
        // Before its first workflow task has run, perhaps: then the question waits for it.
        assert_eq!(asked(&run, "notes").await.unwrap(), "[]");
        for (text, notes) in [("a", r#"["a"]"#), ("b", r#"["a","b"]"#)] {
            note(&run, text).await;
            assert_eq!(asked(&run, "notes").await.unwrap(), notes);
        }
        run.until("WES,T,SG,T,SG,T").await;
        note(&run, "end").await;
        assert_eq!(run.result().await, "\"end\"");
        run.until("WES,T,SG,T,SG,T,SG,T,WC").await;
        assert_eq!(asked(&run, "notes").await.unwrap(), r#"["a","b"]"#);
    })
    .await;
}

#[tokio::test]
async fn a_query_waits_for_the_workflow_task_that_is_pending() {
    let w = World::new().await;
    w.load("scenarios").await;
    let run = w.start("holder").await;
    run.until("WES,T").await;
    w.host.pause_workflow_tasks();
    note(&run, "a").await;
    let hurried = QueryOptions {
        timeout: Some(Duration::from_millis(300)),
        ..QueryOptions::new("notes")
    };
    // An answer without the note would be one of the past.
    let late = run.handle.query(hurried).await.unwrap_err();
    assert!(matches!(late, MessageError::DeadlineExceeded(_)), "{late}");
    w.host.resume_workflow_tasks();
    assert_eq!(asked(&run, "notes").await.unwrap(), r#"["a"]"#);
}

#[tokio::test]
async fn r36_queries_are_answered_while_compensations_run() {
    plain(async |w| {
        let run = w.start("undone_slowly").await;
        let done = "WES,T,AS,AB,AC,T,AS,AB,AC,T,TS";
        run.until(done).await;
        run.cancel().await;
        w.probe.started("Work", 1).await;
        let undoing = format!("{done},CR,T,TC,AS,AB,AC,T,AS");
        run.until(&undoing).await;
        // As of the last time that the code was entered.
        assert_eq!(asked(&run, "at").await.unwrap(), "\"the timer\"");
        run.until(&undoing).await;
        assert_eq!(described(&run).await.status, Status::Running);
        w.probe.finish();
        w.advance_until(async || described(&run).await.status != Status::Running)
            .await;
        run.until(&format!("{undoing},AB,AC,T,WX")).await;
        assert_eq!(asked(&run, "at").await.unwrap(), "\"the timer\"");
    })
    .await;
}

#[tokio::test]
async fn what_a_query_changes_is_lost_to_the_run() {
    plain(async |w| {
        let run = w.start("holder").await;
        let scribble = QueryOptions::new("scribbles").json("\"x\"");
        run.handle.query(scribble).await.unwrap();
        note(&run, "a").await;
        assert_eq!(asked(&run, "notes").await.unwrap(), r#"["a"]"#);
        run.until("WES,T,SG,T").await;
    })
    .await;
}

#[tokio::test]
async fn a_query_may_fail_or_be_rejected() {
    plain(async |w| {
        let run = w.start("holder").await;
        let failed = asked(&run, "fails").await.unwrap_err();
        assert!(
            matches!(&failed, MessageError::Failed(failure) if failure.type_name() == "Sad"),
            "{failed}"
        );
        let unknown = asked(&run, "status").await.unwrap_err().to_string();
        let known = "no query `status`; there are: `fails`, `notes`, `scribbles`";
        assert!(unknown.contains(known), "{unknown}");
        let ask = async |reject| {
            let options = QueryOptions {
                reject,
                ..QueryOptions::new("notes")
            };
            run.handle.query(options).await
        };
        ask(QueryReject::NotOpen).await.unwrap();
        run.handle.terminate("enough", "op").await.unwrap();
        ask(QueryReject::None).await.unwrap();
        for reject in [QueryReject::NotOpen, QueryReject::NotCompletedCleanly] {
            let rejected = ask(reject).await.unwrap_err();
            assert!(
                matches!(rejected, MessageError::Rejected(Status::Terminated { .. })),
                "{rejected}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn an_update_is_answered_in_a_task_of_its_own() {
    plain(async |w| {
        let run = w.start("holder").await;
        run.until("WES,T").await;
        let answer = updated(&run, UpdateOptions::new("quick")).await.unwrap();
        assert_eq!(answer, "\"u\"");
        run.until(scenario("update_completes")).await;
    })
    .await;
}

#[tokio::test]
async fn a_refused_update_leaves_no_trace() {
    plain(async |w| {
        let run = w.start("holder").await;
        run.until("WES,T").await;
        let empty = updated(&run, add("")).await.unwrap_err();
        assert!(empty.to_string().contains("nothing to add"), "{empty}");
        let unknown = UpdateOptions::new("sub");
        let unknown = updated(&run, unknown).await.unwrap_err().to_string();
        assert!(
            unknown.contains("no update `sub`; there are: `add`"),
            "{unknown}"
        );
        let refused = updated(&run, UpdateOptions::new("refused")).await;
        let refused = refused.unwrap_err();
        assert!(
            matches!(&refused, MessageError::Failed(failure) if failure.type_name() == "Refused"),
            "{refused}"
        );
        run.until(scenario("update_is_refused")).await;
        assert_eq!(described(&run).await.updates, UpdateCounts::default());
        note(&run, "end").await;
        run.closed().await;
    })
    .await;
}

async fn described(run: &RunUnderTest) -> RunDescription {
    run.handle.describe().await.unwrap()
}

#[tokio::test]
async fn a_handler_may_run_activities_and_its_answer_stays() {
    plain(async |w| {
        let run = w.start("holder").await;
        run.until("WES,T").await;
        assert_eq!(updated(&run, add("a").id("u1")).await.unwrap(), "1");
        run.until("WES,T,T,UA,AS,AB,AC,T,UC").await;
        // Asked again with the same id it is the same update, whatever else it says.
        assert_eq!(updated(&run, add("b").id("u1")).await.unwrap(), "1");
        let fails = UpdateOptions::new("fails");
        assert_eq!(updated(&run, fails).await.unwrap(), "Sad");
        run.until("WES,T,T,UA,AS,AB,AC,T,UC,T,UA,UC").await;
        note(&run, "end").await;
        assert_eq!(run.result().await, "\"end\"");
        assert_eq!(updated(&run, add("c").id("u1")).await.unwrap(), "1");
        let late = updated(&run, add("d").id("u9")).await.unwrap_err();
        assert!(late.to_string().contains("has already ended"), "{late}");
        assert_eq!(asked(&run, "notes").await.unwrap(), r#"["a"]"#);
    })
    .await;
}

#[tokio::test]
async fn what_an_update_waits_for_is_canceled_with_the_run() {
    plain(async |w| {
        let run = w.start("holder").await;
        run.until("WES,T").await;
        let accepted = UpdateOptions {
            wait_for: UpdateStage::Accepted,
            ..UpdateOptions::new("upd").id("u1")
        };
        let response = run.handle.update(accepted).await.unwrap();
        assert_eq!(
            (response.stage, response.outcome),
            (UpdateStage::Accepted, None)
        );
        run.until("WES,T,T,UA,TS").await;
        run.cancel().await;
        assert_eq!(run.result().await, "\"bye\"");
        run.until_skeleton(scenario("row43_update")).await;
        let outcome = run.handle.update(UpdateOptions::new("upd").id("u1")).await;
        let failure = outcome.unwrap().outcome.unwrap().unwrap_err();
        assert!(failure.is_cancellation(), "{failure}");
    })
    .await;
}

#[tokio::test]
async fn a_run_that_ends_leaves_an_update_unanswered() {
    plain(async |w| {
        let run = w.start("holder").await;
        run.until("WES,T").await;
        let accepted = UpdateOptions {
            wait_for: UpdateStage::Accepted,
            ..UpdateOptions::new("upd").id("u1")
        };
        run.handle.update(accepted).await.unwrap();
        note(&run, "end").await;
        assert_eq!(run.result().await, "\"end\"");
        run.until("WES,T,T,UA,TS,SG,T,WC").await;
        let log = run.log().concat();
        assert!(
            log.contains("the run has ended before all of its updates"),
            "{log}"
        );
        let answer = updated(&run, UpdateOptions::new("upd").id("u1")).await;
        assert_eq!(answer.unwrap(), "AcceptedUpdateCompletedWorkflow");
    })
    .await;
}

#[tokio::test]
async fn r6_an_update_before_the_first_task_comes_before_the_start() {
    for restart in [false, true] {
        let mut settings = WorldBuilder::default();
        if restart {
            settings = settings.restart_after_each_commit();
        }
        let w = settings.build().await;
        w.load("scenarios").await;
        w.host.pause_workflow_tasks();
        let run = w.start("holder").await;
        run.until("WES,Ts").await;
        for (name, id, total) in [("quick", "u1", 1), ("refused", "u2", 2), ("sub", "u3", 3)] {
            let admitted = UpdateOptions {
                wait_for: UpdateStage::Admitted,
                ..UpdateOptions::new(name).id(id)
            };
            run.handle.update(admitted).await.unwrap();
            // It has no commit yet, and a host may end with it.
            while !restart && described(&run).await.updates.total < total {
                tokio::task::yield_now().await;
            }
        }
        w.host.resume_workflow_tasks();
        if !restart {
            let quick = UpdateOptions::new("quick").id("u1");
            assert_eq!(updated(&run, quick).await.unwrap(), "\"u\"");
            for (name, id) in [("refused", "u2"), ("sub", "u3")] {
                let refused = updated(&run, UpdateOptions::new(name).id(id)).await;
                let kind = if id == "u2" {
                    "Refused"
                } else {
                    "UnknownUpdate"
                };
                assert_eq!(refused.unwrap(), kind, "accepted, and answered so");
            }
            run.until("WES,T,UA,UA,UA,UC,UC,UC").await;
        }
    }
}

#[tokio::test]
async fn memo_and_search_attributes_are_shown() {
    plain(async |w| {
        let run = w.start("labeled").await;
        run.until("WES,T,PM,USA").await;
        let shown = described(&run).await;
        let memo: Vec<_> = shown.memo.iter().map(text).collect();
        assert_eq!(memo, ["note=\"first\""]);
        let search: Vec<_> = shown.search_attributes.iter().map(text).collect();
        assert_eq!(search, ["Customer=\"c1\"", "Total=5"]);
        run.handle.signal_named("go", vec![]).await.unwrap();
        run.closed().await;
        run.until("WES,T,PM,USA,SG,T,PM,USA,USA,WC").await;
        let shown = described(&run).await;
        assert!(shown.memo.is_empty());
        let search: Vec<_> = shown.search_attributes.iter().map(text).collect();
        assert_eq!(search, ["Total=6"]);
    })
    .await;
}

fn text((name, payload): (&String, &Payload)) -> String {
    format!("{name}={}", String::from_utf8_lossy(&payload.data))
}

/// Lets the run's next timer of so many seconds fire.
async fn pass(w: &World, run: &RunUnderTest, millis: u64, history: &str) {
    w.advance(millis);
    run.until(history).await;
}

#[tokio::test]
async fn a_run_from_before_a_patch_goes_its_old_way() {
    plain(async |w| {
        let run = w.start("waits_twice").await;
        run.until("WES,T,TS").await;
        let fixed = w.load("scenarios-fixed").await;
        w.host.upgrade(&run.handle, fixed, true).await.unwrap();
        pass(w, &run, 20_000, "WES,T,TS,TF,T,TS").await;
        pass(w, &run, 20_000, "WES,T,TS,TF,T,TS,TF,T,WC").await;
        assert_eq!(run.result().await, r#"["slow","slow"]"#);
        let with = |mut options: sandglass::StartOptions| {
            options.component = Some(fixed);
            options
        };
        let run = w.start_with("waits_twice", with).await;
        run.until("WES,T,MR,USA,TS").await;
        pass(w, &run, 10_000, "WES,T,MR,USA,TS,TF,T,TS").await;
        pass(w, &run, 10_000, "WES,T,MR,USA,TS,TF,T,TS,TF,T,WC").await;
        assert_eq!(run.result().await, r#"["fast","fast"]"#);
        let shown = described(&run).await;
        let search: Vec<_> = shown.search_attributes.iter().map(text).collect();
        assert_eq!(search, [r#"TemporalChangeVersion=["faster"]"#]);
    })
    .await;
}
