package sandglass

import (
	"context"
	"time"

	"sandglass/internal/wit/sandglass_workflow_activities"
	"sandglass/internal/wit/sandglass_workflow_compensation"
	wire "sandglass/internal/wit/sandglass_workflow_types"
	"sandglass/internal/wit/types"
)

// CancellationType is what canceling an activity means to the run that waits for it.
type CancellationType uint8

// The cancellation types.
const (
	// WaitCompleted asks the activity to stop and waits for how it ends.
	WaitCompleted = CancellationType(wire.CancellationTypeWaitCancellationCompleted)
	// TryCancel asks it to stop; it counts as canceled at once.
	TryCancel = CancellationType(wire.CancellationTypeTryCancel)
	// Abandon tells it nothing; it counts as canceled at once.
	Abandon = CancellationType(wire.CancellationTypeAbandon)
)

// RetryPolicy is how often and when something that failed is tried again.
type RetryPolicy struct {
	// Wait before the second attempt. Default: a second.
	InitialInterval time.Duration
	// Factor by which the wait grows; at least 1. Default: 2.
	BackoffCoefficient float64
	// Longest wait. Default: 100 times the first.
	MaximumInterval time.Duration
	// Most attempts. Default: no limit.
	MaximumAttempts uint32
	// Failure types that are not retried.
	NonRetryableTypes []string
}

func (p *RetryPolicy) wire() types.Option[wire.RetryPolicy] {
	if p == nil {
		return types.None[wire.RetryPolicy]()
	}
	made := wire.RetryPolicy{
		InitialInterval: millis(p.InitialInterval), BackoffCoefficient: p.BackoffCoefficient,
		MaximumInterval: optionalMillis(p.MaximumInterval), MaximumAttempts: p.MaximumAttempts,
		NonRetryableTypes: p.NonRetryableTypes,
	}
	if p.InitialInterval == 0 {
		made.InitialInterval = 1000
	}
	if p.BackoffCoefficient == 0 {
		made.BackoffCoefficient = 2
	}
	return types.Some(made)
}

// Activity is an activity type with its options: work that the host has done outside of the
// workflow, at least once. R is its result's type, struct{} if it has none. What is not set keeps
// its default. A copy may be changed for one call.
type Activity[R any] struct {
	// The activity type.
	Name string
	// Its id, unique among the run's pending ones. Default: a number.
	ID string
	// Which workers take it. Default: those of the run's own task queue.
	TaskQueue string
	// Limit for one attempt. Default: a minute, if ScheduleToClose is not set either.
	StartToClose time.Duration
	// Limit for all attempts and waits together.
	ScheduleToClose time.Duration
	// Limit until a worker begins an attempt.
	ScheduleToStart time.Duration
	// Longest silence between heartbeats of one attempt.
	Heartbeat time.Duration
	// When to try again. Default: after a second, doubling up to 100 s, without limit.
	Retry *RetryPolicy
	// What cancellation does to it.
	Cancellation CancellationType
	// Longest wait for how a canceled activity ends. Default: as long as it takes.
	WaitTimeout time.Duration
	// Whether it is a local activity: short work that the host does at once, inside of the workflow
	// task. Such a one has no TaskQueue, ScheduleToStart and Heartbeat.
	Local bool
	// A local activity that failed is tried again in the same workflow task unless the wait before
	// that is longer than this. Default: as long as a workflow task may take.
	RetryThreshold time.Duration

	undo *undo
}

// undo is a compensation to be registered with an activity.
type undo struct {
	call   Call
	always bool
}

// Call is a complete description of one activity, not started.
type Call struct {
	wire wire.ActivityCall
	err  error
}

// With describes a call without starting it, as for a compensation.
func (a Activity[R]) With(arguments ...any) Call {
	encoded, err := encodeAll(arguments)
	if a.StartToClose == 0 && a.ScheduleToClose == 0 {
		a.StartToClose = time.Minute
	}
	return Call{err: err, wire: wire.ActivityCall{
		ActivityType: a.Name, ActivityId: optional(a.ID), TaskQueue: optional(a.TaskQueue), Arguments: encoded,
		ScheduleToClose: optionalMillis(a.ScheduleToClose), ScheduleToStart: optionalMillis(a.ScheduleToStart),
		StartToClose: optionalMillis(a.StartToClose), Heartbeat: optionalMillis(a.Heartbeat),
		Retry: a.Retry.wire(), Cancellation: uint8(a.Cancellation), WaitTimeout: optionalMillis(a.WaitTimeout),
	}}
}

// CompensatedBy returns the activity with what undoes it: the host runs that if the workflow fails or
// is canceled and the activity has, or may have, taken effect.
//
//	err := charge.CompensatedBy(refund.With(order)).Do(ctx, order)
func (a Activity[R]) CompensatedBy(call Call) Activity[R] {
	a.undo = &undo{call: call}
	return a
}

// AlwaysCompensatedBy is [Activity.CompensatedBy] for what is to run also if the activity failed or
// was never sent.
func (a Activity[R]) AlwaysCompensatedBy(call Call) Activity[R] {
	a.undo = &undo{call: call, always: true}
	return a
}

// Start starts the activity and returns at once.
func (a Activity[R]) Start(ctx context.Context, arguments ...any) *Operation[R] {
	call := a.With(arguments...)
	of := begin(ctx, func(scope uint32) types.Result[uint64, []wire.FailureLink] {
		switch {
		case call.err != nil:
			return types.Err[uint64](toLinks(call.err))
		case a.Local:
			return sandglass_workflow_activities.ScheduleLocalActivity(scope, call.wire, optionalMillis(a.RetryThreshold))
		}
		return sandglass_workflow_activities.ScheduleActivity(scope, call.wire)
	})
	if a.undo != nil {
		a.undo.register(ctx, of)
	}
	return &Operation[R]{of, "the result of " + a.Name}
}

// Call starts the activity, waits for its end and returns its result.
func (a Activity[R]) Call(ctx context.Context, arguments ...any) (R, error) {
	return a.Start(ctx, arguments...).Wait()
}

// Do is [Activity.Call] where the result is of no interest.
func (a Activity[R]) Do(ctx context.Context, arguments ...any) error {
	return wait(a.Start(ctx, arguments...).of)
}

func (u *undo) register(ctx context.Context, of *operation) {
	undoes, when := types.Some(of.id), uint8(sandglass_workflow_compensation.RunWhenEffective)
	if u.always {
		when = uint8(sandglass_workflow_compensation.RunWhenAlways)
	}
	if of.id == 0 {
		// What was not started has no effect to undo.
		if !u.always {
			return
		}
		undoes = types.None[uint64]()
	}
	push(ctx, undoes, u.call, when)
}

// Compensation is a registered compensation.
type Compensation struct {
	id uint32
}

func push(ctx context.Context, undoes types.Option[uint64], call Call, when uint8) *Compensation {
	if call.err != nil {
		panic(call.err)
	}
	id := sandglass_workflow_compensation.PushCompensation(scopeOf(ctx).id, undoes, call.wire, when)
	return &Compensation{id}
}

// RegisterCompensation registers a compensation that undoes no particular activity: it always runs
// if the workflow fails or is canceled.
func RegisterCompensation(ctx context.Context, call Call) *Compensation {
	return push(ctx, types.None[uint64](), call, uint8(sandglass_workflow_compensation.RunWhenAlways))
}

// SetArguments replaces the compensation's arguments, once the result of what it undoes is known.
func (c *Compensation) SetArguments(arguments ...any) error {
	encoded, err := encodeAll(arguments)
	if err == nil {
		sandglass_workflow_compensation.SetCompensationArguments(c.id, encoded)
	}
	return err
}

// StopCompensatingOnFailure says whether compensations that were to run after one that failed do not.
func StopCompensatingOnFailure(stop bool) {
	sandglass_workflow_compensation.StopCompensatingOnFailure(stop)
}

// Compensate runs the compensations of the context's scope and of the scopes below it now, newest
// first, and waits for their end. Cancellation does not stop them. An error is that of one that
// failed; the others have run nevertheless.
func Compensate(ctx context.Context) error {
	of := &operation{done: make(chan struct{}), started: make(chan struct{})}
	of.id = sandglass_workflow_compensation.Compensate(scopeOf(ctx).id)
	current.operations[of.id] = of
	return wait(of)
}
