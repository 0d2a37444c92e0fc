//! `/command`: the requests of `sandglass workflow` and `sandglass activity`, in the form in which
//! they go to the owner of a store. So the command does the same, and prints the same, here and
//! there. The form is nobody else's: it changes with the program.

use crate::{
    door::Door,
    http::{
        answer::{Answer, Refusal},
        request::Asked,
    },
    keys::{self, Keys},
    named,
};
use sandglass::CommandRequest;
use tonic::Status;

/// What API keys are asked for: at first, and if the request changes something.
pub(crate) const READS: &str = "QueryByCommand";
const CHANGES: &str = "ChangeByCommand";

/// Most bytes of a request, as over the socket.
const BYTES_MAX: usize = 16 << 20;

pub(crate) async fn answer(door: &Door, asked: Asked, keys: &Keys) -> Result<Answer, Refusal> {
    let headers = asked.headers().clone();
    let request = asked.json(BYTES_MAX).await?;
    let request = CommandRequest::read(&request).map_err(|reason| {
        let message = format!("this is no request of the same version of the command: {reason}");
        Refusal::invalid(message)
    })?;
    if !request.is_read() {
        let path = format!("/{}/{CHANGES}", named::WORKFLOW_SERVICE);
        keys::check(keys, &path, &headers)?;
    }
    // Whoever waits for the end of a run asks again.
    let late = || Status::deadline_exceeded("it has not come to an end yet");
    let answered = match request.is_read() {
        true => door
            .poll(request.answer(&door.host))
            .await
            .ok_or_else(late)?,
        false => request.answer(&door.host).await,
    };
    let answer = serde_json::from_slice(&answered)
        .map_err(|error| Status::internal(format!("the answer is no JSON: {error}")))?;
    Ok(Answer::json(answer))
}
