package sandglass

import (
	"time"

	"sandglass/internal/wit/sandglass_workflow_execution"
	"sandglass/internal/wit/types"
)

// Continuation is an error that a workflow returns to end its run and continue it by another one of
// the same workflow id, with an empty history. What is not set stays as it is.
type Continuation struct {
	// The arguments of the new run.
	Arguments []any
	// The workflow type, of the same component.
	WorkflowType string
	// The task queue.
	TaskQueue string
	// Limit for the new run.
	RunTimeout time.Duration
	// When a failed run is tried again.
	Retry *RetryPolicy
	// The memo and the search attributes, which replace the present ones.
	Memo, SearchAttributes map[string]any
	// Whether a request to cancel this run is not handed on to the new one.
	DropCancel bool
	// Whether registered compensations are forgotten; without this there must be none.
	DropCompensations bool
}

// ContinueAsNew returns the error that continues the run with these arguments.
func ContinueAsNew(arguments ...any) *Continuation {
	return &Continuation{Arguments: arguments}
}

// Error says what it is for, where nobody returned it.
func (c *Continuation) Error() string {
	return "the run continues as new"
}

func (c *Continuation) outcome() (sandglass_workflow_execution.Outcome, error) {
	arguments, err := encodeAll(c.Arguments)
	if err != nil {
		return sandglass_workflow_execution.Outcome{}, err
	}
	made := sandglass_workflow_execution.Continuation{
		WorkflowType: optional(c.WorkflowType), Arguments: arguments, TaskQueue: optional(c.TaskQueue),
		RunTimeout: optionalMillis(c.RunTimeout), Retry: c.Retry.wire(), DropCancel: c.DropCancel,
		DropCompensations: c.DropCompensations,
	}
	if c.Memo != nil {
		memo, err := encodeMap(c.Memo)
		if err != nil {
			return sandglass_workflow_execution.Outcome{}, err
		}
		made.Memo = types.Some(memo)
	}
	if c.SearchAttributes != nil {
		made.SearchAttributes = types.Some(searchValues(c.SearchAttributes))
	}
	return sandglass_workflow_execution.MakeOutcomeContinueAsNew(made), nil
}
