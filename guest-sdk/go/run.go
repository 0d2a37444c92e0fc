package sandglass

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"sandglass/internal/pump"
	"sandglass/internal/wit/sandglass_workflow_cancellation"
	"sandglass/internal/wit/sandglass_workflow_execution"
	guest "sandglass/internal/wit/sandglass_workflow_guest"
	logs "sandglass/internal/wit/sandglass_workflow_log"
	"sandglass/internal/wit/sandglass_workflow_timers"
	wire "sandglass/internal/wit/sandglass_workflow_types"
	"sandglass/internal/wit/types"
)

const rootScope = 0

// run is the run that this instance holds. There is one thread, and nobody takes it from a goroutine,
// so that nothing here is locked.
type run struct {
	operations map[uint64]*operation
	scopes     map[uint32]*Scope
	root       *Scope
	signals    map[string]*signals
	queries    map[string]function
	updates    map[string]update
	// Updates that came before the workflow had begun.
	early []guest.Update
	// How many updates are being handled, and what is closed when that changes.
	handling  int
	handled   chan struct{}
	begun     bool
	completed bool
	alarm     alarm
}

// workflows are the registered functions; names keep the order.
var (
	workflows = map[string]function{}
	names     []string
	current   = &run{
		operations: map[uint64]*operation{},
		scopes:     map[uint32]*Scope{},
		signals:    map[string]*signals{},
		queries:    map[string]function{},
		updates:    map[string]update{},
		handled:    make(chan struct{}),
	}
)

func init() {
	current.root = newScope(context.Background(), rootScope, nil)
}

// Register registers a workflow type: a function of a context and of its arguments, which returns its
// result and an error, or less. It is to be called by main, or while packages are initialized.
//
// An error that the function returns fails the run, or ends it as canceled if that was asked for and
// the error is a cancellation. A panic fails the workflow task, which is tried again: mend the code
// and go on.
func Register(name string, workflow any) {
	of := functionOf("the workflow `"+name+"`", workflow)
	if _, twice := workflows[name]; twice {
		panic(fmt.Sprintf("sandglass: the workflow `%s` is registered twice", name))
	}
	workflows[name] = of
	names = append(names, name)
}

// fatal ends the workflow task if there was a panic: the host shows the last error that was logged.
func fatal(what string) {
	if problem := recover(); problem != nil {
		text := fmt.Sprintf("panic in %s: %v\n%s", what, problem, debug.Stack())
		logs.Write(uint8(logs.LevelError), "go", text)
		os.Exit(2)
	}
}

// activate handles an event and returns when every goroutine waits.
func (r *run) activate(occurred guest.Event) {
	if r.completed {
		return
	}
	r.deliver(occurred)
	pump.Settle()
	if occurred.Tag() == guest.EventInitialize && !r.completed {
		r.begun = true
		r.deliverEarly()
		pump.Settle()
	}
	if !r.completed {
		r.alarm.set()
	}
}

func (r *run) deliver(occurred guest.Event) {
	switch occurred.Tag() {
	case guest.EventInitialize:
		start := occurred.Initialize()
		go r.main(start.WorkflowType, start.Arguments)
	case guest.EventSignalReceived:
		signal := occurred.SignalReceived()
		signalsOf(signal.Name).deliver(signal.Arguments)
	case guest.EventCancelRequested:
		r.root.ask(cancellationOf(types.Some(occurred.CancelRequested())))
	case guest.EventScopeCanceled:
		told := occurred.ScopeCanceled()
		if scope := r.scopes[told.Scope]; scope != nil {
			scope.ask(cancellationOf(types.Some(told.Info)))
		}
	case guest.EventActivityResolved:
		told := occurred.ActivityResolved()
		r.resolve(told.Operation, told.Outcome)
	case guest.EventChildResolved:
		told := occurred.ChildResolved()
		r.resolve(told.Operation, told.Outcome)
	case guest.EventChildStarted:
		told := occurred.ChildStarted()
		if child := r.operations[told.Operation]; child != nil {
			child.runID = told.RunId
			close(child.started)
		}
	case guest.EventTimerFired:
		r.settle(occurred.TimerFired())
	case guest.EventWaitCanceled:
		r.settle(occurred.WaitCanceled())
	case guest.EventExternalResolved:
		r.settle(occurred.ExternalResolved())
	case guest.EventCompensated:
		r.settle(occurred.Compensated())
	case guest.EventUpdateRequested:
		r.deliverUpdate(occurred.UpdateRequested())
	}
}

// resolve ends an operation that has a result.
func (r *run) resolve(id uint64, outcome types.Result[payload, []wire.FailureLink]) {
	of := r.operations[id]
	if of == nil {
		return
	}
	delete(r.operations, id)
	if outcome.IsErr() {
		of.end(&Failure{links: outcome.Err()})
		return
	}
	of.value = outcome.Ok()
	of.end(nil)
}

// settle ends an operation that has none.
func (r *run) settle(told guest.Resolution) {
	if told.Operation == r.alarm.operation {
		r.alarm.operation = 0
		return
	}
	if told.Outcome.IsErr() {
		r.resolve(told.Operation, types.Err[payload](told.Outcome.Err()))
		return
	}
	r.resolve(told.Operation, types.Ok[payload, []wire.FailureLink](payload{}))
}

// main runs the workflow's function and tells how it ends.
func (r *run) main(workflowType string, arguments []payload) {
	defer fatal("the workflow")
	workflow, known := workflows[workflowType]
	if !known {
		panic(fmt.Sprintf("there is no workflow `%s`", workflowType))
	}
	value, err := workflow.answer(r.root.ctx, arguments)
	outcome := sandglass_workflow_execution.MakeOutcomeCompleted(value)
	var next *Continuation
	if errors.As(err, &next) {
		outcome, err = next.outcome()
	}
	if err != nil {
		outcome = sandglass_workflow_execution.MakeOutcomeFailed(toLinks(err))
	}
	sandglass_workflow_execution.Complete(outcome)
	r.completed = true
}

// alarm is the durable timer of those who wait for the clock by package time: it is due when the
// first of them is. It belongs to a detached scope, as nobody's cancellation ends a time.Sleep.
type alarm struct {
	scope     uint32
	operation uint64
	due       int64
}

// set starts the timer, or another one if it is due at another time now.
func (a *alarm) set() {
	due, wait, waits := pump.Due()
	if a.operation != 0 {
		if waits && due == a.due {
			return
		}
		sandglass_workflow_cancellation.CancelOperation(a.operation)
		a.operation = 0
	}
	if !waits {
		return
	}
	started := types.Err[uint64, []wire.FailureLink](nil)
	if a.scope != 0 {
		started = sandglass_workflow_timers.StartTimer(a.scope, wait)
	}
	if started.IsErr() {
		// There was none, or an operator has canceled it.
		kind := sandglass_workflow_cancellation.MakeScopeKindDetached()
		a.scope = sandglass_workflow_cancellation.OpenScope(rootScope, kind)
		started = sandglass_workflow_timers.StartTimer(a.scope, wait)
	}
	a.operation, a.due = started.Ok(), due
}
