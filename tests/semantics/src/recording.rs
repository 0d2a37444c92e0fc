//! Temporal's own histories: raw exports of its server, and the event sequence of each.

use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// Everything that was recorded in one go.
#[derive(Debug)]
pub struct Recording {
    /// The server's version.
    pub server: String,
    /// The SDK and its version.
    pub sdk: String,
    /// The event sequence of every history, under the name of its scenario.
    pub sequences: BTreeMap<String, String>,
}

impl Recording {
    /// Reads a recording: a line of versions, then one line for each scenario.
    ///
    /// # Panics
    /// If it is not in this form.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut lines = text.lines().map(|line| {
            serde_json::from_str::<Value>(line).expect("each line of a recording is JSON")
        });
        let versions = lines.next().expect("the first line names the versions");
        let version = |of: &str| text_of(&versions[of]).to_owned();
        let mut sequences = BTreeMap::new();
        for line in lines {
            let scenario = text_of(&line["scenario"]);
            let histories = line["histories"].as_object();
            for (run, history) in histories.expect("a scenario has histories") {
                let name = match run.as_str() {
                    "w" => scenario.to_owned(),
                    run => format!("{scenario}:{run}"),
                };
                let events = history["events"].as_array();
                let sequence = sequence(events.expect("an export has events"));
                let twice = sequences.insert(name, sequence).is_some();
                assert!(!twice, "{scenario} is recorded twice");
            }
        }
        Self {
            server: version("server"),
            sdk: version("sdk"),
            sequences,
        }
    }
}

fn text_of(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is not a text"))
}

/// The attributes of an event, whatever its type.
fn attributes(event: &Value) -> &Value {
    let mut fields = event.as_object().into_iter().flatten();
    let found = fields.find(|(name, _)| name.ends_with("EventAttributes"));
    found.map_or(&Value::Null, |(_, attributes)| attributes)
}

/// The sequence of an export, in the notation of `sandglass_engine::shorthand`.
///
/// The start of an activity is put before its end, where Temporal's server writes it unless both
/// arrive during a workflow task; that of one without an end is left out. So is a workflow task at
/// the end that is shown and not stored: a further attempt after a failed one.
fn sequence(events: &[Value]) -> String {
    let mut starts: HashMap<&str, String> = HashMap::new();
    let mut words: Vec<String> = Vec::with_capacity(events.len());
    for event in &events[..events.len() - unstored(events)] {
        let word = word(event);
        let activity = attributes(event)["scheduledEventId"].as_str();
        match (&*word, activity) {
            ("AB", Some(activity)) => {
                starts.insert(activity, word);
                continue;
            }
            ("AC" | "AF" | "AX" | "ATO", Some(activity)) => words.extend(starts.remove(activity)),
            _ => {}
        }
        words.push(word);
        if words.ends_with(&["Ts".into(), "Tb".into(), "Tc".into()]) {
            words.truncate(words.len() - 3);
            words.push("T".into());
        }
    }
    words.join(",")
}

/// How many events at the end are those of an attempt that is only shown.
fn unstored(events: &[Value]) -> usize {
    let is_attempt = |event: &Value| attributes(event)["attempt"].as_u64() > Some(1);
    let words: Vec<String> = events.iter().rev().take(2).map(word).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let count = match words[..] {
        ["Ts", ..] => 1,
        ["Tb", "Ts"] => 2,
        _ => return 0,
    };
    if is_attempt(&events[events.len() - count]) {
        count
    } else {
        0
    }
}

fn word(event: &Value) -> String {
    let name = text_of(&event["eventType"]);
    let name = name.strip_prefix("EVENT_TYPE_").unwrap_or(name);
    let Some((_, word)) = WORDS.iter().find(|(known, _)| *known == name) else {
        panic!("there is no word for {name}");
    };
    if *word != "Tf" {
        return (*word).into();
    }
    let cause = text_of(&attributes(event)["cause"]);
    let cause = cause.strip_prefix("WORKFLOW_TASK_FAILED_CAUSE_");
    format!("Tf({})", cause.expect("the cause has its prefix"))
}

const WORDS: [(&str, &str); 43] = [
    ("WORKFLOW_EXECUTION_STARTED", "WES"),
    ("WORKFLOW_EXECUTION_COMPLETED", "WC"),
    ("WORKFLOW_EXECUTION_FAILED", "WF"),
    ("WORKFLOW_EXECUTION_CANCELED", "WX"),
    ("WORKFLOW_EXECUTION_TERMINATED", "WK"),
    ("WORKFLOW_EXECUTION_TIMED_OUT", "WTO"),
    ("WORKFLOW_EXECUTION_CONTINUED_AS_NEW", "WCAN"),
    ("WORKFLOW_EXECUTION_CANCEL_REQUESTED", "CR"),
    ("WORKFLOW_EXECUTION_SIGNALED", "SG"),
    ("WORKFLOW_EXECUTION_PAUSED", "PAUSED"),
    ("WORKFLOW_EXECUTION_UNPAUSED", "UNPAUSED"),
    ("WORKFLOW_EXECUTION_UPDATE_ACCEPTED", "UA"),
    ("WORKFLOW_EXECUTION_UPDATE_COMPLETED", "UC"),
    ("WORKFLOW_TASK_SCHEDULED", "Ts"),
    ("WORKFLOW_TASK_STARTED", "Tb"),
    ("WORKFLOW_TASK_COMPLETED", "Tc"),
    ("WORKFLOW_TASK_FAILED", "Tf"),
    ("WORKFLOW_TASK_TIMED_OUT", "Tx"),
    ("ACTIVITY_TASK_SCHEDULED", "AS"),
    ("ACTIVITY_TASK_STARTED", "AB"),
    ("ACTIVITY_TASK_COMPLETED", "AC"),
    ("ACTIVITY_TASK_FAILED", "AF"),
    ("ACTIVITY_TASK_TIMED_OUT", "ATO"),
    ("ACTIVITY_TASK_CANCEL_REQUESTED", "ACR"),
    ("ACTIVITY_TASK_CANCELED", "AX"),
    ("TIMER_STARTED", "TS"),
    ("TIMER_FIRED", "TF"),
    ("TIMER_CANCELED", "TC"),
    ("MARKER_RECORDED", "MR"),
    ("START_CHILD_WORKFLOW_EXECUTION_INITIATED", "CI"),
    ("START_CHILD_WORKFLOW_EXECUTION_FAILED", "CSF"),
    ("CHILD_WORKFLOW_EXECUTION_STARTED", "CS"),
    ("CHILD_WORKFLOW_EXECUTION_COMPLETED", "CC"),
    ("CHILD_WORKFLOW_EXECUTION_FAILED", "CF"),
    ("CHILD_WORKFLOW_EXECUTION_CANCELED", "CX"),
    ("CHILD_WORKFLOW_EXECUTION_TIMED_OUT", "CTO"),
    ("CHILD_WORKFLOW_EXECUTION_TERMINATED", "CK"),
    ("SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED", "GI"),
    ("SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED", "GF"),
    ("EXTERNAL_WORKFLOW_EXECUTION_SIGNALED", "GD"),
    ("REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED", "XI"),
    ("REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED", "XF"),
    ("EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED", "XR"),
];
