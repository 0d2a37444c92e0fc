//! Interface `activities`: starts activities.

use super::operation;
use crate::{
    bindings::{
        types::{ActivityCall, Failure},
        workflow::sandglass::workflow::activities::Host,
    },
    state::GuestState,
};
use sandglass_engine::{Command, Millis, ScopeId};
use wasmtime::Result;

impl Host for GuestState {
    fn schedule_activity(
        &mut self,
        parent: u32,
        call: ActivityCall,
    ) -> Result<Result<u64, Failure>> {
        let scope = ScopeId(parent);
        let answer = self.command(Command::ScheduleActivity {
            scope,
            call: call.into(),
        })?;
        Ok(operation(answer))
    }

    fn schedule_local_activity(
        &mut self,
        parent: u32,
        call: ActivityCall,
        retry_threshold: Option<u64>,
    ) -> Result<Result<u64, Failure>> {
        let answer = self.command(Command::ScheduleLocalActivity {
            scope: ScopeId(parent),
            call: call.into(),
            retry_threshold: retry_threshold.map(Millis),
        })?;
        Ok(operation(answer))
    }
}
