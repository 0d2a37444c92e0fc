//! `sandglass.v1.Commands`: what our own command line asks for. Its requests to runs go in the form
//! in which they go to the owner of a store, so that it does the same, and prints the same, here
//! and there. The form is nobody else's: it changes with the program.

use crate::{
    access::Access,
    components,
    door::Door,
    front::Front,
    http::{dispatch, from_json, of_service, to_json},
    proto::generated::commands::{CommandRequest, CommandResponse, commands_server::Commands},
    served::Needs,
    status, working,
};
use sandglass::CommandRequest as ToRun;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// Bytes of a document, as over the socket of a store's owner.
const DOCUMENT_BYTES_MAX: usize = 16 << 20;

/// Bytes of a request: a component is the largest thing that comes.
pub(crate) const REQUEST_BYTES_MAX: usize = components::COMPONENT_BYTES_MAX + (1 << 20);

/// What is said of a component.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct OfComponent {
    pub(crate) digest: String,
    pub(crate) task_queues: Vec<String>,
    pub(crate) keep_runs: bool,
}

/// Temporal's calls that start a run.
const START: &str = "StartWorkflowExecution";
const SIGNAL_WITH_START: &str = "SignalWithStartWorkflowExecution";

fn read<'a, T: Deserialize<'a>>(document: &'a [u8]) -> Result<T, Status> {
    serde_json::from_slice(document)
        .map_err(|error| status::invalid(format!("the request is not what it should be: {error}")))
}

/// A request to a run, as the owner of its store answers it.
async fn run(door: &Door, access: &Access, document: &[u8]) -> Result<Vec<u8>, Status> {
    let request = ToRun::read(document).map_err(|reason| {
        let message = format!("this is no request of the same version of the command: {reason}");
        status::invalid(message)
    })?;
    if request.waits() {
        // Whoever waits for the end of a run asks again.
        let late = || Status::deadline_exceeded("the run has not ended yet");
        return door.poll(request.answer(&door.host)).await.ok_or_else(late);
    }
    if !request.is_read() {
        access.needing(Needs::Write).check(&door.namespace)?;
    }
    if request.follows_update() {
        // The update goes on, and whoever waits asks the next server.
        let answered = door.until_closing(request.answer(&door.host)).await;
        return answered.ok_or_else(working::stopping);
    }
    Ok(request.answer(&door.host).await)
}

/// A start, in the JSON form of Temporal's message for this call.
async fn start(
    front: &Front,
    access: Access,
    namespace: String,
    call: &str,
    document: &[u8],
) -> Result<Vec<u8>, Status> {
    let mut document: Value = read(document)?;
    let Some(fields) = document.as_object_mut() else {
        return Err(status::invalid("the request is not a JSON object"));
    };
    fields.insert("namespace".into(), namespace.into());
    let request = from_json(&of_service(&format!("{call}Request")), document, true)?;
    let response = dispatch(front, access, call, &request).await?;
    let response = to_json(&of_service(&format!("{call}Response")), &response, true)?;
    Ok(response.to_string().into_bytes())
}

async fn of_component(
    front: &Front,
    door: &Arc<Door>,
    call: &'static str,
    document: &[u8],
    content: Vec<u8>,
) -> Result<Vec<u8>, Status> {
    let OfComponent {
        digest,
        task_queues,
        keep_runs,
    } = read(document)?;
    let digest = || components::digest(&digest);
    let answer = match call {
        "ListComponents" => components::list(door)?,
        "DescribeComponent" => components::describe(door, digest()?).await?,
        "RemoveComponent" => components::remove(door, digest()?, keep_runs).await?,
        "PushComponent" => {
            let queues = components::task_queues(door, task_queues)?;
            components::push(door, &front.pushes, queues, content).await?
        }
        _ => json!({}),
    };
    Ok(answer.to_string().into_bytes())
}

async fn answer(
    front: &Front,
    call: &'static str,
    request: Request<CommandRequest>,
) -> Result<Response<CommandResponse>, Status> {
    let access = Access::of(request.extensions())?;
    let CommandRequest {
        namespace,
        document,
        content,
    } = request.into_inner();
    let door = front.door(&access, &namespace)?;
    if document.len() > DOCUMENT_BYTES_MAX {
        let message = format!("the request has more than {DOCUMENT_BYTES_MAX} bytes");
        return Err(status::invalid(message));
    }
    let document = match call {
        "Run" => run(door, &access, &document).await?,
        "Start" => start(front, access, namespace, START, &document).await?,
        "SignalWithStart" => start(front, access, namespace, SIGNAL_WITH_START, &document).await?,
        "Upgrade" => {
            let report =
                components::upgrade(door, &front.pushes, read(&document)?, content).await?;
            serde_json::to_vec(&report).expect("reports have a JSON form")
        }
        call => of_component(front, door, call, &document, content).await?,
    };
    Ok(Response::new(CommandResponse { document }))
}

macro_rules! calls {
    ($($call:ident $name:literal)+) => {
        #[tonic::async_trait]
        impl Commands for Front {
            $(async fn $call(
                &self,
                request: Request<CommandRequest>,
            ) -> Result<Response<CommandResponse>, Status> {
                let answer = answer(self, $name, request).await;
                let code = answer.as_ref().err().map(Status::code);
                tracing::debug!(call = $name, ?code, "answered");
                answer
            })+
        }
    };
}

calls! {
    describe_component "DescribeComponent"
    list_components "ListComponents"
    push_component "PushComponent"
    remove_component "RemoveComponent"
    run "Run"
    signal_with_start "SignalWithStart"
    start "Start"
    upgrade "Upgrade"
}
