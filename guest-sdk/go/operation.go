package sandglass

import (
	"context"
	"time"

	"sandglass/internal/wit/sandglass_workflow_cancellation"
	"sandglass/internal/wit/sandglass_workflow_timers"
	wire "sandglass/internal/wit/sandglass_workflow_types"
	"sandglass/internal/wit/types"
)

// operation is what the host does for the run.
type operation struct {
	id      uint64
	done    chan struct{}
	value   payload
	failure *Failure
	// Of a child workflow.
	started chan struct{}
	runID   string
	unwatch func() bool
	// Why a context of the standard library has canceled it.
	by error
}

// begin starts an operation in the scope of a context, unless the context is done.
func begin(ctx context.Context, start func(scope uint32) types.Result[uint64, []wire.FailureLink]) *operation {
	scope := scopeOf(ctx)
	made := &operation{done: make(chan struct{}), started: make(chan struct{})}
	if isOther(ctx, scope) && ctx.Err() != nil && scope.ctx.Err() == nil {
		info := wire.MakeFailureInfoCanceled(wire.CanceledFailure{Settled: true})
		failure := failureOf(context.Cause(ctx).Error(), info)
		failure.by = context.Cause(ctx)
		made.end(failure)
		return made
	}
	answer := start(scope.id)
	if answer.IsErr() {
		made.end(&Failure{links: answer.Err()})
		return made
	}
	made.id = answer.Ok()
	current.operations[made.id] = made
	if isOther(ctx, scope) {
		// The host cancels what belongs to a canceled scope, and knows nothing of other contexts.
		made.unwatch = context.AfterFunc(ctx, func() { made.cancel(scope, context.Cause(ctx)) })
	}
	return made
}

func (o *operation) cancel(scope *Scope, cause error) {
	if o.isDone() || scope.ctx.Err() != nil || current.completed {
		return
	}
	o.by = cause
	sandglass_workflow_cancellation.CancelOperation(o.id)
}

func (o *operation) isDone() bool {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}

// end ends it, with a failure or without.
func (o *operation) end(failure *Failure) {
	if o.unwatch != nil {
		o.unwatch()
	}
	if failure != nil && o.by != nil && IsCancellation(failure) {
		failure.by = o.by
	}
	o.failure = failure
	close(o.done)
}

// Operation is what was started and may be waited for: its result is an R.
type Operation[R any] struct {
	of   *operation
	what string
}

// Done is closed when the operation has ended, for use in a select.
func (o *Operation[R]) Done() <-chan struct{} {
	return o.of.done
}

// Wait waits until the operation has ended and returns its result. There is no context to wait with:
// that which it was started with cancels it, and by default a canceled activity or child is waited
// for until it has ended.
func (o *Operation[R]) Wait() (R, error) {
	<-o.of.done
	var result R
	if o.of.failure != nil {
		return result, o.of.failure
	}
	if _, none := any(result).(struct{}); none {
		return result, nil
	}
	err := decode(o.of.value, &result, o.what)
	return result, err
}

// Cancel cancels the operation alone; it ends as its kind says.
func (o *Operation[R]) Cancel() {
	if !o.of.isDone() && !current.completed {
		sandglass_workflow_cancellation.CancelOperation(o.of.id)
	}
}

func wait(of *operation) error {
	<-of.done
	if of.failure != nil {
		return of.failure
	}
	return nil
}

// Sleep waits for a length of time, or until the context is done; then it returns the cancellation.
// The time passes also while no host runs. time.Sleep does the same, whatever is canceled.
func Sleep(ctx context.Context, length time.Duration) error {
	return wait(NewTimer(ctx, length).of)
}

// NewTimer starts a timer and returns at once.
func NewTimer(ctx context.Context, length time.Duration) *Operation[struct{}] {
	of := begin(ctx, func(scope uint32) types.Result[uint64, []wire.FailureLink] {
		return sandglass_workflow_timers.StartTimer(scope, millis(length))
	})
	return &Operation[struct{}]{of, "a timer"}
}
