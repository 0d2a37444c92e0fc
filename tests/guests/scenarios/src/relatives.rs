//! Workflows that have to do with other runs. Each is given the workflow id of the other.

use sandglass_guest::prelude::*;

fn child(workflow_type: &str, id: &str, options: ChildOptions) -> Child<Option<String>> {
    ChildCall::new(workflow_type)
        .with(options.workflow_id(id))
        .start()
}

/// Waits for how a canceled child ends.
#[workflow]
pub(crate) async fn a13(id: String) -> Result<Option<String>, Failure> {
    let child = child("a01", &id, ChildOptions::new());
    log::info!("started: {}", child.started().await.is_ok());
    child.await
}

/// Does not wait, and lets the child clean up.
#[workflow]
pub(crate) async fn a14(id: String) -> Result<Option<String>, Failure> {
    let options = ChildOptions::new()
        .cancellation(ChildCancellation::TryCancel)
        .parent_close(ParentClosePolicy::RequestCancel);
    child("a05", &id, options).await
}

/// Waits until the request has reached a child that ignores it.
#[workflow]
pub(crate) async fn a15(id: String) -> Result<Option<String>, Failure> {
    let options = ChildOptions::new()
        .cancellation(ChildCancellation::WaitCancellationRequested)
        .parent_close(ParentClosePolicy::Abandon);
    child("a04", &id, options).await
}

/// Cancels another run.
#[workflow]
pub(crate) async fn a16(id: String) -> Result<(), Failure> {
    external::workflow(id).cancel("not wanted any more").await
}

/// Abandons a child, which is then terminated because its parent has closed.
#[workflow]
pub(crate) async fn s24(id: String) -> Result<Option<String>, Failure> {
    let options = ChildOptions::new().cancellation(ChildCancellation::Abandon);
    child("a01", &id, options).await
}

/// Does not wait for its canceled child, which is terminated as soon as this has ended.
#[workflow]
pub(crate) async fn cuts_short(id: String) -> Result<Option<String>, Failure> {
    let options = ChildOptions::new().cancellation(ChildCancellation::TryCancel);
    child("a01", &id, options).await
}
