//! The same filters for whoever reads runs' rows: the command line.

use super::{
    eval::{self, Candidate},
    filter, is_about_start,
    parse::{self, Query},
};
use sandglass::{RunListing, RunStart, store::ListFilter};

/// A filter of runs in the language of `temporal workflow list --query`: comparisons of attributes
/// with `AND`, `OR`, `NOT` and parentheses.
#[derive(Debug)]
pub struct RunFilter(Query);

impl RunFilter {
    /// Reads a filter.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let query = parse::parse(text)?;
        if let Some(condition) = &query.condition {
            eval::check(condition)?;
        }
        Ok(Self(query))
    }

    /// Whether it ends with `GROUP BY ExecutionStatus`: runs are to be counted by their status.
    #[must_use]
    pub fn is_grouped(&self) -> bool {
        self.0.by_status
    }

    /// The status of a run as groups are named by it.
    #[must_use]
    pub fn group(listing: &RunListing) -> &'static str {
        eval::status_name(listing)
    }

    /// Whether it is about what only the start of a run tells: its task queue, or when its first
    /// workflow task was due.
    #[must_use]
    pub fn is_about_start(&self) -> bool {
        self.0.condition.as_ref().is_some_and(is_about_start)
    }

    /// What a store can select by: at least the runs that are asked for.
    #[must_use]
    pub fn selected(&self) -> ListFilter {
        filter(self.0.condition.as_ref())
    }

    /// Whether a run is asked for that was started so. Without [`RunFilter::is_about_start`] it
    /// does not matter how.
    #[must_use]
    pub fn holds(&self, listing: &RunListing, start: &RunStart) -> bool {
        let candidate = Candidate {
            listing,
            task_queue: &start.task_queue,
            execution_time: start.execution_time,
        };
        let condition = self.0.condition.as_ref();
        condition.is_none_or(|condition| eval::holds(condition, &candidate) == Some(true))
    }
}
