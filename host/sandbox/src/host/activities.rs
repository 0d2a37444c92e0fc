//! Interface `activities`: starts activities.

use super::operation;
use crate::{
    bindings::{
        types::{ActivityCall, Failure},
        workflow::sandglass::workflow::activities::Host,
    },
    state::GuestState,
};
use sandglass_engine::{Command, ScopeId};
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
}
