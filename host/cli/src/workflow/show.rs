//! `sandglass workflow show`.

use super::{place::Place, request::Target};
use crate::{
    args::{OutputForm, ShowArgs},
    exit::{Exit, OrStop as _, Outcome, usage},
    history, output, payload,
};
use sandglass_engine::{EventId, HistoryEvent, Projector};
use serde_json::json;

pub(super) fn show(args: &ShowArgs, form: OutputForm) -> Outcome {
    if args.follow {
        return follow(args, form);
    }
    let mut place = Place::open(&args.target.place)?;
    let run = place.find(args.target.id(), args.target.run_id.as_deref())?;
    let events = place.history(&run)?;
    match form {
        OutputForm::Json => {
            let mut shown = payload::readable(&events);
            if let (true, Some(all)) = (args.reverse, shown.as_array_mut()) {
                all.reverse();
            }
            output::print_json(&json!({
                "workflow_id": run.workflow_id,
                "run_id": run.run_id,
                "events": shown,
            }))?;
        }
        OutputForm::Text => {
            let mut shown = texts(&events, 0, args.detailed);
            if args.reverse {
                shown.reverse();
            }
            output::print(&shown.concat())?;
        }
    }
    Ok(Exit::Completed)
}

/// What people see of each event from this place on.
fn texts(events: &[HistoryEvent], from: usize, is_detailed: bool) -> Vec<String> {
    let lines = history::lines(events).into_iter().skip(from);
    let both = lines.zip(&events[from..]);
    both.map(|(line, event)| match is_detailed {
        true => line + &details(event),
        false => line,
    })
    .collect()
}

/// All that an event says, under its line.
fn details(event: &HistoryEvent) -> String {
    let all = payload::readable(&event.attributes);
    let text = serde_json::to_string_pretty(&all).expect("events have text keys only");
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// Shows what happens until the run has ended. A run that another one follows has ended too.
fn follow(args: &ShowArgs, form: OutputForm) -> Outcome {
    if form == OutputForm::Json {
        return Err(usage!("--follow shows text: it is not for --output json"));
    }
    let mut target = Target::exactly(&args.target)?;
    let (mut projector, mut next) = (Projector::default(), 1);
    let mut events = Vec::new();
    loop {
        let mut place = Place::open(&args.target.place)?;
        // First whether it has ended: what it has by then is all there is.
        let run = place.find(&target.id, Some(&target.found))?;
        let shown = events.len();
        for frame in place.frames_from(&run, next)? {
            events.extend(projector.project(frame).or_host()?);
            next += 1;
        }
        output::print(&texts(&events, shown, args.detailed).concat())?;
        if !run.is_open {
            return Ok(Exit::Completed);
        }
        target.wait_after(EventId(projector.next_event_id().0 - 1))?;
    }
}
