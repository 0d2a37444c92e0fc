//! The same filters for whoever reads runs without a server.

use super::{
    eval::{self, Candidate},
    filter, is_about_start,
    parse::{self, Query},
};
use sandglass::{RunListing, store::ListFilter};
use sandglass_engine::Timestamp;

/// A filter of runs in the language of `temporal workflow list --query`: comparisons of attributes
/// with `AND`, `OR`, `NOT` and parentheses.
#[derive(Debug)]
pub struct RunFilter(Query);

impl RunFilter {
    /// Reads a filter. It may not be about what only the start of a run tells, its task queue and
    /// the time of its first workflow task: those are a server's to look up.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let query = parse::parse(text)?;
        if query.by_status {
            return Err("GROUP BY is for the API of a server only".into());
        }
        if let Some(condition) = &query.condition {
            eval::check(condition)?;
            if is_about_start(condition) {
                return Err("TaskQueue and ExecutionTime are for the API of a server only".into());
            }
        }
        Ok(Self(query))
    }

    /// What a store can select by: at least the runs that are asked for.
    #[must_use]
    pub fn selected(&self) -> ListFilter {
        filter(self.0.condition.as_ref())
    }

    /// Whether a run is asked for.
    #[must_use]
    pub fn holds(&self, listing: &RunListing) -> bool {
        let candidate = Candidate {
            listing,
            task_queue: "",
            execution_time: Timestamp(0),
        };
        let condition = self.0.condition.as_ref();
        condition.is_none_or(|condition| eval::holds(condition, &candidate) == Some(true))
    }
}
