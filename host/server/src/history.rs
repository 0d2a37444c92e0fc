//! `GetWorkflowExecutionHistory` and its reverse: pages of events, and waiting for new ones.

mod activities;
mod events;
mod messages;
mod reading;
mod relatives;
mod run;
mod tasks;

use crate::{
    door::Door,
    proto::{
        enums::HistoryEventFilterType,
        history::{History, HistoryEvent},
        service::{
            GetWorkflowExecutionHistoryRequest, GetWorkflowExecutionHistoryResponse,
            GetWorkflowExecutionHistoryReverseRequest, GetWorkflowExecutionHistoryReverseResponse,
        },
    },
    status,
};
pub(crate) use reading::{Histories, fold};
pub(crate) use relatives::close_policy;
pub(crate) use run::retry_policy;
use sandglass::RunHandle;
use sandglass_engine::{EventId, Status as RunStatus};
use tonic::Status;

/// Where the next page begins: the run that the first page was of, and the last event that the
/// client has.
struct Place {
    run_id: String,
    after: EventId,
}

impl Place {
    fn token(&self) -> Vec<u8> {
        format!("{}/{}", self.run_id, self.after).into_bytes()
    }

    fn parse(token: &[u8]) -> Option<Self> {
        let (run_id, after) = std::str::from_utf8(token).ok()?.split_once('/')?;
        Some(Self {
            run_id: run_id.into(),
            after: EventId(after.parse().ok()?),
        })
    }
}

/// The run of a request, and where its page begins; without a token, where it says.
async fn place(run: RunHandle, token: &[u8], first: EventId) -> Result<Place, Status> {
    if token.is_empty() {
        let described = run.describe().await.map_err(status::of)?;
        return Ok(Place {
            run_id: described.run_id,
            after: first,
        });
    }
    Place::parse(token).ok_or_else(|| status::invalid("Invalid NextPageToken."))
}

pub(crate) async fn get(
    door: &Door,
    request: GetWorkflowExecutionHistoryRequest,
) -> Result<GetWorkflowExecutionHistoryResponse, Status> {
    let close_only = request.history_event_filter_type() == HistoryEventFilterType::CloseEvent;
    let wait = request.wait_new_event;
    let run = door.run(request.execution, "")?;
    let workflow_id = run.workflow_id().to_owned();
    let mut place = place(run, &request.next_page_token, EventId(0)).await?;
    let run = door.host.run(workflow_id, Some(&place.run_id));
    let (events, token) = if close_only {
        close_event(door, &run, wait, &place).await?
    } else {
        let (page, more) = match is_open(door, &run, wait, place.after).await? {
            None => (Vec::new(), true),
            Some(is_open) => {
                let wanted = request.maximum_page_size;
                // Who waits for new events goes on waiting where the page ends.
                let follows = is_open && wait;
                let read = reading::newer(door, &run, &place.run_id, place.after, wanted, follows);
                // Not within the call, which would have room for it all the time it waits.
                let (page, is_whole) = Box::pin(read).await?;
                (page, !is_whole || follows)
            }
        };
        if let Some(last) = page.last() {
            place.after = EventId(u64::try_from(last.event_id).unwrap_or_default());
        }
        (page, if more { place.token() } else { Vec::new() })
    };
    Ok(GetWorkflowExecutionHistoryResponse {
        history: Some(History { events }),
        next_page_token: token,
        ..Default::default()
    })
}

/// The event that ends the run, as the only one. While there is none: nothing, and a token for
/// whoever waits.
async fn close_event(
    door: &Door,
    run: &RunHandle,
    wait: bool,
    place: &Place,
) -> Result<(Vec<HistoryEvent>, Vec<u8>), Status> {
    let closed = if wait {
        let closed = door.poll(run.wait_closed()).await;
        closed.transpose().map_err(status::of)?.is_some()
    } else {
        let described = run.describe().await.map_err(status::of)?;
        described.status != RunStatus::Running
    };
    if !closed {
        let token = if wait { place.token() } else { Vec::new() };
        return Ok((Vec::new(), token));
    }
    let last = Box::pin(reading::close_event(door, run, &place.run_id)).await?;
    Ok((last.into_iter().collect(), Vec::new()))
}

/// Whether the run was still open before its events are read; whoever waits does so until there is
/// one after this place. None: none came in time.
async fn is_open(
    door: &Door,
    run: &RunHandle,
    wait: bool,
    after: EventId,
) -> Result<Option<bool>, Status> {
    // Asked first: a run that is closed then has no events but those that are read after.
    let described = run.describe().await.map_err(status::of)?;
    let is_open = described.status == RunStatus::Running;
    let has_new = described.history_length > after.0;
    if wait && is_open && !has_new {
        let found = door.poll(run.wait_after(after)).await;
        if found.transpose().map_err(status::of)?.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(is_open))
}

pub(crate) async fn get_reverse(
    door: &Door,
    request: GetWorkflowExecutionHistoryReverseRequest,
) -> Result<GetWorkflowExecutionHistoryReverseResponse, Status> {
    let run = door.run(request.execution, "")?;
    let workflow_id = run.workflow_id().to_owned();
    let mut place = place(run, &request.next_page_token, EventId(u64::MAX)).await?;
    let run = door.host.run(workflow_id, Some(&place.run_id));
    let wanted = request.maximum_page_size;
    let read = reading::older(door, &run, &place.run_id, place.after, wanted);
    let (page, is_whole) = read.await?;
    if let Some(last) = page.last() {
        place.after = EventId(u64::try_from(last.event_id).unwrap_or_default());
    }
    Ok(GetWorkflowExecutionHistoryReverseResponse {
        history: Some(History { events: page }),
        next_page_token: if is_whole { Vec::new() } else { place.token() },
    })
}
