//! Who answers queries and updates, and the updates that are being answered.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use sandglass_guest_bindings::workflow::exports::sandglass::workflow::guest::Update;
use sandglass_guest_bindings::workflow::sandglass::workflow::types;

use crate::Failure;
use crate::host::updates;
use crate::payload::Payload;

use super::{Body, ROOT, task, with};

/// Decodes the arguments, asks the workflow's code and encodes the answer.
pub(crate) type Answer = Rc<dyn Fn(&[Payload]) -> Result<Payload, Failure>>;

/// Decodes the arguments and says whether the update is to be accepted.
pub(crate) type Validator = Rc<dyn Fn(&[Payload]) -> Result<(), Failure>>;

/// Decodes the arguments and begins to handle the update.
pub(crate) type Begin = Rc<dyn Fn(&[Payload]) -> Body>;

/// Who answers the updates of one name.
pub(crate) struct UpdateEntry {
    pub(crate) begin: Begin,
    pub(crate) validator: RefCell<Option<Validator>>,
}

impl UpdateEntry {
    fn validate(&self, arguments: &[Payload]) -> Result<(), Failure> {
        let validator = self.validator.borrow().clone();
        validator.map_or(Ok(()), |validate| validate(arguments))
    }
}

/// The handlers of a run.
#[derive(Default)]
pub(crate) struct Handlers {
    queries: RefCell<BTreeMap<String, Answer>>,
    updates: RefCell<BTreeMap<String, Rc<UpdateEntry>>>,
    /// Updates that came before the workflow's code could register anything.
    early: RefCell<Vec<Update>>,
    /// Updates that are being handled.
    running: Cell<usize>,
}

/// Registers who answers a query, in place of an earlier one.
pub(crate) fn register_query(name: &str, answer: Answer) {
    with(|run| {
        let mut queries = run.handlers.queries.borrow_mut();
        queries.insert(name.to_owned(), answer);
    });
}

/// Registers who answers updates of a name, in place of an earlier one, and gives him those that
/// wait for him.
pub(crate) fn register_update(name: &str, entry: &Rc<UpdateEntry>) {
    let waiting: Vec<Update> = with(|run| {
        let mut updates = run.handlers.updates.borrow_mut();
        updates.insert(name.to_owned(), Rc::clone(entry));
        let mut early = run.handlers.early.borrow_mut();
        early.extract_if(.., |update| update.name == name).collect()
    });
    for update in waiting {
        let entry = Rc::clone(entry);
        // Nobody could be asked before: who refuses it now answers it with the refusal.
        handle(update, move |arguments| {
            Box::pin(async move {
                entry.validate(&arguments)?;
                (entry.begin)(&arguments).await
            })
        });
    }
}

/// Whether no update is being handled.
pub(crate) fn updates_finished() -> bool {
    with(|run| run.handlers.running.get() == 0 && run.handlers.early.borrow().is_empty())
}

/// Forgets everything, for the tests.
#[cfg(test)]
pub(super) fn forget() {
    with(|run| {
        run.handlers.queries.take();
        run.handlers.updates.take();
        run.handlers.early.take();
        run.handlers.running.set(0);
    });
}

/// An update has come.
pub(super) fn deliver(update: Update) {
    let (entry, begun) = with(|run| {
        let entry = run.handlers.updates.borrow().get(&update.name).cloned();
        (entry, run.begun.get())
    });
    match entry {
        // The host has asked the validator.
        Some(entry) => handle(update, move |arguments| (entry.begin)(&arguments)),
        None if !begun => with(|run| run.handlers.early.borrow_mut().push(update)),
        None => refuse(&update),
    }
}

/// The code has begun and is quiescent: what nobody wanted is refused.
pub(super) fn begun() {
    let unwanted = with(|run| run.handlers.early.take());
    unwanted.iter().for_each(refuse);
}

fn refuse(update: &Update) {
    answer(&update.id, &Err(unknown_update(&update.name)));
}

fn answer(id: &str, outcome: &Result<Payload, Failure>) {
    updates::complete_update(id, outcome.as_ref().map_err(Failure::links));
}

fn handle(update: Update, begin: impl FnOnce(Vec<Payload>) -> Body + 'static) {
    with(|run| run.handlers.running.set(run.handlers.running.get() + 1));
    task::spawn_in(ROOT, async move {
        let outcome = begin(update.arguments).await;
        with(|run| run.handlers.running.set(run.handlers.running.get() - 1));
        answer(&update.id, &outcome);
    });
}

/// Answers a question of the host.
#[doc(hidden)]
pub fn query(name: &str, arguments: &[Payload]) -> Result<Payload, types::Failure> {
    looking(|| {
        let answer = with(|run| run.handlers.queries.borrow().get(name).cloned());
        let answer = answer.ok_or_else(|| {
            let known = with(|run| names(&run.handlers.queries.borrow()));
            Failure::application("UnknownQuery", format!("no query `{name}`; {known}"))
        });
        answer.and_then(|answer| answer(arguments))
    })
}

/// Tells the host whether an update is to be accepted.
#[doc(hidden)]
pub fn validate_update(update: &Update) -> Result<(), types::Failure> {
    looking(|| {
        let entry = with(|run| run.handlers.updates.borrow().get(&update.name).cloned());
        let entry = entry.ok_or_else(|| unknown_update(&update.name));
        entry.and_then(|entry| entry.validate(&update.arguments))
    })
}

/// Runs a function that may ask the host but not command.
fn looking<T>(look: impl FnOnce() -> Result<T, Failure>) -> Result<T, types::Failure> {
    crate::log::install_panic_hook();
    with(|run| run.active.set(true));
    let result = look();
    with(|run| run.active.set(false));
    result.map_err(Failure::into_links)
}

fn unknown_update(name: &str) -> Failure {
    let known = with(|run| names(&run.handlers.updates.borrow()));
    Failure::application("UnknownUpdate", format!("no update `{name}`; {known}")).non_retryable()
}

fn names<T>(handlers: &BTreeMap<String, T>) -> String {
    if handlers.is_empty() {
        return "there are none".to_owned();
    }
    let names: Vec<_> = handlers.keys().map(|name| format!("`{name}`")).collect();
    format!("there are: {}", names.join(", "))
}
