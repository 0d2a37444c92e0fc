//! A host for the unit tests: it writes down what it is asked for and answers at once.
//!
//! Its modules have the names and functions of the generated imports. It knows just enough about
//! scopes to refuse commands in canceled ones; events are up to the tests.

use std::cell::RefCell;
use std::collections::BTreeMap;

use sandglass_guest_bindings::workflow::sandglass::workflow as real;

use real::types::{CancelInfo, CanceledFailure, Failure, FailureInfo, FailureLink, Payload};

#[derive(Default)]
struct Fake {
    lines: Vec<String>,
    operations: u64,
    scopes: u32,
    canceled: BTreeMap<u32, CancelInfo>,
    random: u8,
    read_only: bool,
    memo: BTreeMap<String, Payload>,
}

thread_local! {
    static FAKE: RefCell<Fake> = RefCell::default();
}

/// Begins anew.
pub(crate) fn reset() {
    FAKE.take();
}

/// Takes what was asked for since the last call.
pub(crate) fn take() -> Vec<String> {
    FAKE.with_borrow_mut(|fake| std::mem::take(&mut fake.lines))
}

/// Marks a scope as canceled, as the host does before it says so.
pub(crate) fn cancel(scope: u32, cause: real::types::CancelCause) -> CancelInfo {
    let info = CancelInfo {
        cause,
        reason: "r1".into(),
        requester: "op".into(),
        at: 7,
        deadline: None,
    };
    FAKE.with_borrow_mut(|fake| fake.canceled.insert(scope, info.clone()));
    info
}

/// The failure of what was canceled.
pub(crate) fn canceled() -> Failure {
    let info = CanceledFailure {
        details: Vec::new(),
        identity: String::new(),
        settled: true,
        request: None,
    };
    vec![FailureLink {
        message: "canceled".into(),
        source: "host".into(),
        stack_trace: String::new(),
        encoded_attributes: None,
        info: FailureInfo::Canceled(info),
    }]
}

fn note(line: String) {
    FAKE.with_borrow_mut(|fake| {
        assert!(!fake.read_only, "a command where it may only look: {line}");
        fake.lines.push(line);
    });
}

fn operation(parent: u32, what: String) -> Result<u64, Failure> {
    FAKE.with_borrow_mut(|fake| {
        if fake.canceled.contains_key(&parent) {
            return Err(canceled());
        }
        assert!(!fake.read_only, "a command where it may only look: {what}");
        fake.operations += 1;
        fake.lines
            .push(format!("{} {what} in {parent}", fake.operations));
        Ok(fake.operations)
    })
}

fn text(arguments: &[Payload]) -> String {
    let texts = arguments
        .iter()
        .map(|one| String::from_utf8_lossy(&one.data).into_owned());
    texts.collect::<Vec<_>>().join(",")
}

pub(crate) mod activities {
    pub(crate) use super::real::activities::ActivityCall;
    use super::*;

    pub(crate) fn schedule_activity(parent: u32, call: &ActivityCall) -> Result<u64, Failure> {
        operation(
            parent,
            format!("activity {}({})", call.activity_type, text(&call.arguments)),
        )
    }

    pub(crate) fn schedule_local_activity(
        parent: u32,
        call: &ActivityCall,
        retry_threshold: Option<u64>,
    ) -> Result<u64, Failure> {
        let (name, arguments) = (&call.activity_type, text(&call.arguments));
        let limits = (call.start_to_close, retry_threshold);
        operation(
            parent,
            format!("local activity {name}({arguments}) {limits:?}"),
        )
    }
}

pub(crate) mod children {
    pub(crate) use super::real::children::ChildCall;
    use super::*;

    pub(crate) fn start_child(parent: u32, call: &ChildCall) -> Result<u64, Failure> {
        operation(
            parent,
            format!("child {}({})", call.workflow_type, text(&call.arguments)),
        )
    }
}

pub(crate) mod externals {
    pub(crate) use super::real::externals::Target;
    use super::*;

    pub(crate) fn signal_external(
        parent: u32,
        to: &Target,
        name: &str,
        arguments: &[Payload],
        _header: &[(String, Payload)],
    ) -> Result<u64, Failure> {
        let what = format!("signal {name}({}) to {}", text(arguments), to.workflow_id);
        operation(parent, what)
    }

    pub(crate) fn cancel_external(parent: u32, to: &Target, reason: &str) -> Result<u64, Failure> {
        operation(parent, format!("cancel {}: {reason}", to.workflow_id))
    }
}

pub(crate) mod timers {
    use super::*;

    pub(crate) fn start_timer(parent: u32, millis: u64) -> Result<u64, Failure> {
        operation(parent, format!("timer {millis}"))
    }
}

pub(crate) mod waits {
    use super::*;

    pub(crate) fn open_wait(parent: u32, label: &str) -> Result<u64, Failure> {
        operation(parent, format!("wait {label}"))
    }

    pub(crate) fn close_wait(wait: u64) {
        note(format!("close-wait {wait}"));
    }
}

pub(crate) mod cancellation {
    pub(crate) use super::real::cancellation::ScopeKind;
    use super::*;

    pub(crate) fn open_scope(parent: u32, kind: ScopeKind) -> u32 {
        FAKE.with_borrow_mut(|fake| {
            fake.scopes += 1;
            let scope = fake.scopes;
            fake.lines
                .push(format!("open-scope {scope} {kind:?} in {parent}"));
            let inherited = fake.canceled.get(&parent).cloned();
            if let (Some(info), ScopeKind::Cancellable) = (inherited, kind) {
                fake.canceled.insert(scope, info);
            }
            scope
        })
    }

    pub(crate) fn cancel_scope(target: u32, reason: &str) {
        note(format!("cancel-scope {target} {reason}"));
    }

    pub(crate) fn close_scope(target: u32) {
        note(format!("close-scope {target}"));
    }

    pub(crate) fn cancel_operation(target: u64) {
        note(format!("cancel-operation {target}"));
    }

    pub(crate) fn get_cancel(target: u32) -> Option<CancelInfo> {
        FAKE.with_borrow(|fake| fake.canceled.get(&target).cloned())
    }
}

pub(crate) mod compensation {
    pub use super::real::compensation::RunWhen;
    use super::real::types::ActivityCall;
    use super::*;

    pub(crate) fn push_compensation(
        owner: u32,
        undoes: Option<u64>,
        call: &ActivityCall,
        when: RunWhen,
    ) -> u32 {
        let (name, arguments) = (&call.activity_type, text(&call.arguments));
        note(format!(
            "compensation {name}({arguments}) of {undoes:?} {when:?} in {owner}"
        ));
        1
    }

    pub(crate) fn set_compensation_arguments(target: u32, arguments: &[Payload]) {
        note(format!("compensation {target} takes ({})", text(arguments)));
    }

    pub(crate) fn stop_compensating_on_failure(stop: bool) {
        note(format!("stop compensating on failure: {stop}"));
    }

    pub(crate) fn compensate(owner: u32) -> u64 {
        operation(owner, "compensate".into()).expect("no test compensates in a canceled scope")
    }
}

pub(crate) mod info {
    pub(crate) use super::real::info::{Chain, Execution, HistorySize};
    use super::*;

    pub(crate) fn get_execution() -> Execution {
        Execution {
            workflow_id: "w".into(),
            run_id: "r".into(),
            workflow_type: "t".into(),
            task_queue: "q".into(),
        }
    }

    pub(crate) fn get_history() -> HistorySize {
        HistorySize {
            length: 3,
            bytes: 100,
            suggest_continue_as_new: true,
        }
    }

    pub(crate) fn get_chain() -> Chain {
        Chain {
            first_run_id: "f".into(),
            continued_from: Some("r0".into()),
            attempt: 2,
            cron: None,
            last_result: None,
            last_failure: None,
        }
    }

    pub(crate) fn now() -> u64 {
        1_000
    }

    pub(crate) fn patched(id: &str) -> bool {
        note(format!("patch {id}"));
        id != "unknown to this run"
    }

    pub(crate) fn deprecate_patch(id: &str) {
        note(format!("deprecated patch {id}"));
    }

    pub(crate) fn random_bytes(len: u32) -> Vec<u8> {
        FAKE.with_borrow_mut(|fake| {
            let bytes = (0..len).map(|_| {
                fake.random = fake.random.wrapping_add(1);
                fake.random
            });
            bytes.collect()
        })
    }
}

/// From now on a command is one too many, as in a query.
pub(crate) fn look() {
    FAKE.with_borrow_mut(|fake| fake.read_only = true);
}

pub(crate) mod updates {
    use super::*;

    pub(crate) fn complete_update(id: &str, outcome: Result<&Payload, &[FailureLink]>) {
        note(match outcome {
            Ok(value) => format!("update {id}: {}", text(std::slice::from_ref(value))),
            Err(links) => format!("update {id} failed: {}", links[0].message),
        });
    }
}

pub(crate) mod attributes {
    pub(crate) use super::real::attributes::SearchValue;
    use super::*;

    pub(crate) fn upsert_memo(entries: &[(String, Option<Payload>)]) {
        for (name, value) in entries {
            note(format!("memo {name}: {}", text(value.as_slice())));
            FAKE.with_borrow_mut(|fake| match value {
                Some(value) => fake.memo.insert(name.clone(), value.clone()),
                None => fake.memo.remove(name),
            });
        }
    }

    pub(crate) fn upsert_search_attributes(entries: &[(String, Option<SearchValue>)]) {
        note(format!("search attributes {entries:?}"));
    }

    pub(crate) fn get_memo() -> Vec<(String, Payload)> {
        FAKE.with_borrow(|fake| fake.memo.clone().into_iter().collect())
    }

    pub(crate) fn get_search_attributes() -> Vec<(String, SearchValue)> {
        vec![("Total".into(), SearchValue::Int(5))]
    }
}

pub(crate) mod log {
    pub use super::real::log::Level;
    use super::*;

    pub(crate) fn write(level: Level, _target: &str, message: &str) {
        note(format!("log {level:?} {message}"));
    }
}

pub(crate) mod execution {
    pub(crate) use super::real::execution::{Continuation, Outcome};
    use super::*;

    pub(crate) fn complete(how: &Outcome) {
        match how {
            Outcome::Completed(value) => {
                note(format!("completed {}", text(std::slice::from_ref(value))));
            }
            Outcome::ContinueAsNew(how) => note(format!(
                "continue as {:?} {} drop-cancel {}",
                how.workflow_type,
                text(&how.arguments),
                how.drop_cancel,
            )),
            Outcome::Failed(links) => note(format!("failed {}", links[0].message)),
        }
    }
}
