package sandglass

import (
	"context"
	"time"

	"sandglass/internal/wit/sandglass_workflow_children"
	"sandglass/internal/wit/sandglass_workflow_externals"
	wire "sandglass/internal/wit/sandglass_workflow_types"
	"sandglass/internal/wit/types"
)

// ChildCancellation is what canceling a child workflow means to the run that waits for it.
type ChildCancellation uint8

// What it can mean.
const (
	// ChildWaitCompleted asks the child to end and waits for how it ends.
	ChildWaitCompleted = ChildCancellation(sandglass_workflow_children.ChildCancellationTypeWaitCancellationCompleted)
	// ChildWaitRequested asks it; it counts as canceled once the request is recorded there.
	ChildWaitRequested = ChildCancellation(sandglass_workflow_children.ChildCancellationTypeWaitCancellationRequested)
	// ChildTryCancel asks it; it counts as canceled at once.
	ChildTryCancel = ChildCancellation(sandglass_workflow_children.ChildCancellationTypeTryCancel)
	// ChildAbandon tells it nothing; it counts as canceled at once.
	ChildAbandon = ChildCancellation(sandglass_workflow_children.ChildCancellationTypeAbandon)
)

// ParentClosePolicy is what becomes of a child workflow when its parent ends before it.
type ParentClosePolicy uint8

// The policies.
const (
	// ParentCloseTerminate terminates it.
	ParentCloseTerminate = ParentClosePolicy(sandglass_workflow_children.ParentClosePolicyTerminate)
	// ParentCloseRequestCancel asks it to end.
	ParentCloseRequestCancel = ParentClosePolicy(sandglass_workflow_children.ParentClosePolicyRequestCancel)
	// ParentCloseAbandon lets it go on.
	ParentCloseAbandon = ParentClosePolicy(sandglass_workflow_children.ParentClosePolicyAbandon)
)

// IDReusePolicy is whether a workflow id may be used again once its last run has ended.
type IDReusePolicy uint8

// The policies.
const (
	// AllowDuplicate: it may.
	AllowDuplicate = IDReusePolicy(sandglass_workflow_children.IdReusePolicyAllowDuplicate)
	// AllowDuplicateFailedOnly: if the last run did not complete.
	AllowDuplicateFailedOnly = IDReusePolicy(sandglass_workflow_children.IdReusePolicyAllowDuplicateFailedOnly)
	// RejectDuplicate: it may not.
	RejectDuplicate = IDReusePolicy(sandglass_workflow_children.IdReusePolicyRejectDuplicate)
)

// ChildWorkflow is a workflow type with options, to be started as a child. R is its result's type.
// What is not set keeps its default.
type ChildWorkflow[R any] struct {
	// The workflow type: of this component, or of another one that the host has loaded.
	Type string
	// Its workflow id. Default: one that the host makes.
	ID string
	// The task queue. Default: that of this run.
	TaskQueue string
	// Limit for one run of it, and for all that follow each other.
	RunTimeout, ExecutionTimeout time.Duration
	// What cancellation does to it.
	Cancellation ChildCancellation
	// What becomes of it when this run ends before it.
	ParentClose ParentClosePolicy
	// Whether and when a failed run is followed by another. Default: it is not.
	Retry *RetryPolicy
	// The cron schedule by which it is repeated, in UTC.
	Cron string
	// Whether its workflow id may have been used before.
	IDReuse IDReusePolicy
	// Its memo and search attributes, as [UpsertMemo] and [UpsertSearchAttributes] have them.
	Memo, SearchAttributes map[string]any
}

// Child is a child workflow that was started.
type Child[R any] struct {
	Operation[R]
}

// Start starts the child workflow and returns at once.
func (w ChildWorkflow[R]) Start(ctx context.Context, arguments ...any) *Child[R] {
	of := begin(ctx, func(scope uint32) types.Result[uint64, []wire.FailureLink] {
		call, err := w.call(arguments)
		if err != nil {
			return types.Err[uint64](toLinks(err))
		}
		return sandglass_workflow_children.StartChild(scope, call)
	})
	return &Child[R]{Operation[R]{of, "the result of " + w.Type}}
}

func (w ChildWorkflow[R]) call(arguments []any) (sandglass_workflow_children.ChildCall, error) {
	encoded, err := encodeAll(arguments)
	if err != nil {
		return sandglass_workflow_children.ChildCall{}, err
	}
	memo, err := encodeMap(w.Memo)
	return sandglass_workflow_children.ChildCall{
		WorkflowType: w.Type, WorkflowId: optional(w.ID), TaskQueue: optional(w.TaskQueue), Arguments: encoded,
		RunTimeout: optionalMillis(w.RunTimeout), Cancellation: uint8(w.Cancellation),
		ParentClose: uint8(w.ParentClose), ExecutionTimeout: optionalMillis(w.ExecutionTimeout),
		Retry: w.Retry.wire(), Cron: optional(w.Cron), IdReuse: uint8(w.IDReuse), Memo: memo,
		SearchAttributes: searchValues(w.SearchAttributes),
	}, err
}

// Call starts the child workflow, waits for its end and returns its result.
func (w ChildWorkflow[R]) Call(ctx context.Context, arguments ...any) (R, error) {
	return w.Start(ctx, arguments...).Wait()
}

// Started waits until the child was started and returns its run id. If it never starts, the error is
// that of [Operation.Wait].
func (c *Child[R]) Started() (string, error) {
	select {
	case <-c.of.started:
		return c.of.runID, nil
	default:
	}
	select {
	case <-c.of.started:
		return c.of.runID, nil
	case <-c.of.done:
		return "", c.of.failure
	}
}

// External is another run, whoever started it: the newest of its workflow id, or the one with this
// run id.
type External struct {
	WorkflowID, RunID string
}

func (e External) target() sandglass_workflow_externals.Target {
	return sandglass_workflow_externals.Target{WorkflowId: e.WorkflowID, RunId: optional(e.RunID)}
}

// Signal sends the run a signal and waits until it is recorded there. If there is no such open run
// the error is a [Failure] of type EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND.
func (e External) Signal(ctx context.Context, name string, arguments ...any) error {
	encoded, err := encodeAll(arguments)
	if err != nil {
		return err
	}
	return wait(begin(ctx, func(scope uint32) types.Result[uint64, []wire.FailureLink] {
		return sandglass_workflow_externals.SignalExternal(scope, e.target(), name, encoded, nil)
	}))
}

// Cancel asks the run to end and waits until the request is recorded there. Errors are as those of
// [External.Signal].
func (e External) Cancel(ctx context.Context, reason string) error {
	return wait(begin(ctx, func(scope uint32) types.Result[uint64, []wire.FailureLink] {
		return sandglass_workflow_externals.CancelExternal(scope, e.target(), reason)
	}))
}
