package sandglass

import (
	"context"
	"fmt"
	"log/slog"

	guest "sandglass/internal/wit/sandglass_workflow_guest"
	wire "sandglass/internal/wit/sandglass_workflow_types"
	"sandglass/internal/wit/sandglass_workflow_updates"
	"sandglass/internal/wit/types"
)

// signalsRoom is how many signals a channel takes; what is more waits beside it.
const signalsRoom = 128

// signals are those of one name.
type signals struct {
	// Those that came before anybody asked for them.
	waiting [][]payload
	channel any
	deliver func(arguments []payload)
}

func signalsOf(name string) *signals {
	of := current.signals[name]
	if of == nil {
		of = &signals{}
		of.deliver = func(arguments []payload) { of.waiting = append(of.waiting, arguments) }
		current.signals[name] = of
	}
	return of
}

// Signals returns the channel of the signals of a name, in the order in which they came, read as T.
// It is the same at each call and never closed. Wait for it in a select with the context's Done.
// Signals that came before are in it. One that is no T is logged and left out.
func Signals[T any](name string) <-chan T {
	of := signalsOf(name)
	if of.channel != nil {
		channel, same := of.channel.(chan T)
		if !same {
			panic(fmt.Sprintf("sandglass: the signals %q are read as two different types", name))
		}
		return channel
	}
	channel := make(chan T, signalsRoom)
	of.channel, of.deliver = channel, receiver(name, channel)
	for _, arguments := range of.waiting {
		of.deliver(arguments)
	}
	of.waiting = nil
	return channel
}

func receiver[T any](name string, channel chan T) func([]payload) {
	var beside []T
	moving := false
	move := func() {
		for len(beside) > 0 {
			next := beside[0]
			beside = beside[1:]
			channel <- next
		}
		moving = false
	}
	return func(arguments []payload) {
		var value T
		if err := decodeAll(arguments, &value, "signal `"+name+"`"); err != nil {
			slog.Warn(err.Error())
			return
		}
		if !moving {
			select {
			case channel <- value:
				return
			default:
			}
		}
		beside = append(beside, value)
		if !moving {
			moving = true
			go move()
		}
	}
}

// HandleQuery answers the queries of a name from now on, by a function of the query's arguments that
// returns the answer, an error, or both. It must only look: what commands or draws from [RandomBytes]
// traps there.
func HandleQuery(name string, handler any) {
	current.queries[name] = functionOf("the query `"+name+"`", handler)
}

// update handles the updates of one name.
type update struct {
	handle   function
	validate *function
}

// HandleUpdate handles the updates of a name from now on, by a function of a context, if it wants
// one, and the update's arguments, whose result is the answer. It runs as a goroutine beside the
// workflow, in the root scope. Register handlers before the workflow first waits: what comes earlier
// waits for that.
//
// The validator, if there is one, is a function of the same arguments that returns an error if the
// update is not to be accepted; it leaves no trace in the history then. It must only look.
func HandleUpdate(name string, handler any, validator ...any) {
	made := update{handle: functionOf("the update `"+name+"`", handler)}
	for _, of := range validator {
		checked := functionOf("the validator of the update `"+name+"`", of)
		made.validate = &checked
	}
	current.updates[name] = made
}

func (u update) accepts(given []payload) error {
	if _, err := u.handle.decode(given); err != nil || u.validate == nil {
		return err
	}
	values, err := u.validate.decode(given)
	if err == nil {
		_, err = u.validate.call(current.root.ctx, values)
	}
	return err
}

// WaitForHandlers waits until no update is being handled, or the context is done: before a workflow
// returns it lets every caller have the answer.
func WaitForHandlers(ctx context.Context) error {
	for current.handling > 0 {
		select {
		case <-current.handled:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// deliver takes an update, which was validated if there was code that could.
func (r *run) deliverUpdate(requested guest.Update) {
	handler, known := r.updates[requested.Name]
	switch {
	case known:
		r.handling++
		go r.handle(requested, handler, true)
	case !r.begun:
		r.handling++
		r.early = append(r.early, requested)
	default:
		r.refuse(requested)
	}
}

// deliverEarly handles what came before the code had begun, or refuses it.
func (r *run) deliverEarly() {
	early := r.early
	r.early = nil
	for _, requested := range early {
		if handler, known := r.updates[requested.Name]; known {
			// Nobody could be asked before: who refuses it now answers it with the refusal.
			go r.handle(requested, handler, false)
		} else {
			r.refuse(requested)
			r.finished()
		}
	}
}

func (r *run) refuse(requested guest.Update) {
	answer(requested.Id, payload{}, unknown("update", requested.Name, sortedNames(r.updates)).NonRetryable())
}

func (r *run) handle(requested guest.Update, handler update, validated bool) {
	defer fatal("an update's handler")
	var err error
	if !validated {
		err = handler.accepts(requested.Arguments)
	}
	var value payload
	if err == nil {
		value, err = handler.handle.answer(r.root.ctx, requested.Arguments)
	}
	answer(requested.Id, value, err)
	r.finished()
}

// finished counts an update as handled.
func (r *run) finished() {
	r.handling--
	close(r.handled)
	r.handled = make(chan struct{})
}

func answer(id string, value payload, err error) {
	outcome := types.Ok[payload, []wire.FailureLink](value)
	if err != nil {
		outcome = types.Err[payload](toLinks(err))
	}
	sandglass_workflow_updates.CompleteUpdate(id, outcome)
}
