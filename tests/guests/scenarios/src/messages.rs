//! Workflows that are asked and told things.

use std::cell::RefCell;
use std::rc::Rc;

use sandglass_guest::attributes::{self, SearchValue};
use sandglass_guest::prelude::*;

use crate::activities::step_a;

const HOUR: Duration = Duration::from_secs(3600);

/// Keeps what it is told by the signal `note` and by updates, until the note `end`.
#[workflow]
pub(crate) async fn holder() -> Result<String, Failure> {
    let notes = Rc::new(RefCell::new(Vec::<String>::new()));
    answer_queries(&notes);
    handle_updates(&notes);
    let told = async {
        let mut signals = signals::<String>("note");
        loop {
            match signals.recv().await?.as_str() {
                "end" => return Ok::<_, Failure>("end".to_owned()),
                note => notes.borrow_mut().push(note.to_owned()),
            }
        }
    };
    match told.await {
        Err(failure) if failure.is_cancellation() => {
            scope::shielded(async { wait_until(all_handlers_finished).await }).await?;
            Ok("bye".to_owned())
        }
        told => told,
    }
}

fn answer_queries(notes: &Rc<RefCell<Vec<String>>>) {
    let kept = Rc::clone(notes);
    query("notes", move |()| Ok(kept.borrow().clone()));
    query("fails", |()| {
        Err::<(), _>(Failure::application("Sad", "so sad"))
    });
    let kept = Rc::clone(notes);
    query("scribbles", move |note: String| {
        kept.borrow_mut().push(note);
        Ok(())
    });
}

fn handle_updates(notes: &Rc<RefCell<Vec<String>>>) {
    update("upd", |()| async {
        sleep(HOUR).await?;
        Ok("u")
    });
    update("quick", |()| async { Ok("u") });
    update("refused", |()| async { Ok("u") })
        .validated(|()| Err(Failure::application("Refused", "refused")));
    update("fails", |()| async {
        Err::<(), _>(Failure::application("Sad", "so sad"))
    });
    let kept = Rc::clone(notes);
    update("add", move |note: String| {
        let kept = Rc::clone(&kept);
        async move {
            step_a().await?;
            kept.borrow_mut().push(note);
            Ok(kept.borrow().len())
        }
    })
    .validated(|note: &String| match note.as_str() {
        "" => Err(Failure::application("Empty", "there is nothing to add")),
        _ => Ok(()),
    });
}

/// Sets memo and search attributes, and changes them at the signal `go`.
#[workflow]
pub(crate) async fn labeled() -> Result<Option<String>, Failure> {
    attributes::set_memo("note", &"first")?;
    attributes::upsert_search([
        ("Customer", Some(SearchValue::Keyword("c1".into()))),
        ("Total", Some(5.into())),
    ]);
    signals::<()>("go").recv().await?;
    attributes::remove_memo("note");
    attributes::set_search("Total", 6);
    attributes::remove_search("Customer");
    assert_eq!(attributes::search("Total"), Some(SearchValue::Int(6)));
    attributes::memo("note")
}

/// Waits twice, and tells how. `scenarios-fixed` has a patch of it.
#[workflow]
pub(crate) async fn waits_twice() -> Result<Vec<String>, Failure> {
    let mut ways = Vec::new();
    for _ in 0..2 {
        sleep(Duration::from_secs(20)).await?;
        ways.push("slow".to_owned());
    }
    Ok(ways)
}
