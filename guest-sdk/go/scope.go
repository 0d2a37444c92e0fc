package sandglass

import (
	"context"
	"time"

	"sandglass/internal/wit/sandglass_workflow_cancellation"
)

// Scope is a cancellation scope of the host: what is started with its context belongs to it.
type Scope struct {
	id uint32
	// Done when the scope is canceled.
	ctx       context.Context
	cancel    context.CancelCauseFunc
	shields   bool
	requested chan struct{}
	asked     bool
	closed    bool
	// Ends the watch over a context of the standard library around it.
	unwatch func() bool
	limit   time.Time
	parent  *Scope
	// The scopes below that are closed with it.
	below map[uint32]*Scope
	// Nobody hears of it any more, but for a cancellation that the host has still to tell.
	forgotten bool
}

type scopeKey struct{}

// scopeContext is the context of a scope.
type scopeContext struct {
	context.Context
	scope *Scope
}

func (c scopeContext) Value(key any) any {
	if key == (scopeKey{}) {
		return c.scope
	}
	return c.Context.Value(key)
}

// Err is DeadlineExceeded if the scope's time has passed.
func (c scopeContext) Err() error {
	err := c.Context.Err()
	if info, ok := context.Cause(c.Context).(*Cancellation); err != nil && ok && info.Cause == TimedOut {
		return context.DeadlineExceeded
	}
	return err
}

// Deadline is when the scope's time has passed.
func (c scopeContext) Deadline() (time.Time, bool) {
	outer, ok := c.Context.Deadline()
	if limit := c.scope.limit; !limit.IsZero() && (!ok || limit.Before(outer)) {
		return limit, true
	}
	return outer, ok
}

// scopeOf is the scope that what is started with a context belongs to.
func scopeOf(ctx context.Context) *Scope {
	scope, ok := ctx.Value(scopeKey{}).(*Scope)
	if !ok {
		panic("sandglass: the context is not made of the one that the workflow was given")
	}
	return scope
}

func newScope(ctx context.Context, id uint32, parent *Scope) *Scope {
	scope := &Scope{id: id, requested: make(chan struct{}), parent: parent, below: map[uint32]*Scope{}}
	inner, cancel := context.WithCancelCause(ctx)
	scope.ctx, scope.cancel = scopeContext{inner, scope}, cancel
	current.scopes[id] = scope
	if parent != nil {
		parent.below[id] = scope
	}
	return scope
}

// forget lets go of a scope that is closed, and of those that are closed with it.
func (s *Scope) forget() {
	s.forgotten = true
	if s.asked || s.Cancellation() == nil {
		delete(current.scopes, s.id)
	}
	if s.parent != nil {
		delete(s.parent.below, s.id)
	}
	if s.unwatch != nil {
		s.unwatch()
	}
	for _, inner := range s.below {
		inner.forget()
	}
}

func open(ctx context.Context, kind sandglass_workflow_cancellation.ScopeKind, limit time.Duration) (context.Context, *Scope) {
	parent := scopeOf(ctx)
	id := sandglass_workflow_cancellation.OpenScope(parent.id, kind)
	// What cancels it is told by the host, in its order.
	outer := parent
	if kind.Tag() == sandglass_workflow_cancellation.ScopeKindDetached {
		outer = nil
	}
	scope := newScope(context.WithoutCancel(ctx), id, outer)
	if limit > 0 {
		scope.limit = time.Now().Add(limit)
	}
	switch kind.Tag() {
	case sandglass_workflow_cancellation.ScopeKindShielded, sandglass_workflow_cancellation.ScopeKindDetached:
		scope.shields = true
		return scope.ctx, scope
	}
	if info := scope.Cancellation(); info != nil {
		scope.cancel(info)
	} else if isOther(ctx, parent) {
		cancel := func() { scope.Cancel(context.Cause(ctx).Error()) }
		if ctx.Err() != nil {
			// At once: nothing is to begin in it.
			cancel()
		} else {
			scope.unwatch = context.AfterFunc(ctx, cancel)
		}
	}
	return scope.ctx, scope
}

// isOther tells whether a context can be done though its scope is not canceled.
func isOther(ctx context.Context, scope *Scope) bool {
	return ctx.Done() != scope.ctx.Done()
}

// WithScope opens a scope that is canceled together with the one around it, or by [Scope.Cancel].
// It is to be closed, which cancels what is left in it:
//
//	ctx, scope := sandglass.WithScope(ctx)
//	defer scope.Close()
//
// context.WithCancel does as well, and cancels what was started with its context one by one.
func WithScope(ctx context.Context) (context.Context, *Scope) {
	return open(ctx, sandglass_workflow_cancellation.MakeScopeKindCancellable(), 0)
}

// WithTimeout opens a scope that the host cancels when a time has passed: what was started in it
// then ends with an error that is context.DeadlineExceeded. The limit is a timer in the history;
// context.WithTimeout is one of the SDK's, beside those of package time.
func WithTimeout(ctx context.Context, limit time.Duration) (context.Context, *Scope) {
	return open(ctx, sandglass_workflow_cancellation.MakeScopeKindTimeout(millis(limit)), limit)
}

// Shielded opens a scope whose operations go on when the scope around it is canceled, for cleanup.
// It can be opened in a canceled scope. Closing it cancels what is left in it.
func Shielded(ctx context.Context) (context.Context, *Scope) {
	return open(ctx, sandglass_workflow_cancellation.MakeScopeKindShielded(), 0)
}

// Detached opens a scope without any tie to the cancellation of the one around it, for what goes on
// after that has ended. It stays open until it is closed or the run ends.
func Detached(ctx context.Context) (context.Context, *Scope) {
	return open(ctx, sandglass_workflow_cancellation.MakeScopeKindDetached(), 0)
}

// Cancel cancels what is unresolved in the scope, then the scopes below. A shielded one is only
// marked. One that is canceled or closed stays as it is.
func (s *Scope) Cancel(reason string) {
	if !current.completed && !s.closed && s.Cancellation() == nil {
		sandglass_workflow_cancellation.CancelScope(s.id, reason)
	}
}

// Close cancels what is unresolved in the scope and closes the scopes below. It never waits. What is
// started with its context afterwards is canceled at once.
func (s *Scope) Close() {
	if s.unwatch != nil {
		s.unwatch()
	}
	if s.closed || current.completed {
		return
	}
	s.closed = true
	s.forget()
	sandglass_workflow_cancellation.CloseScope(s.id)
	s.cancel(&Cancellation{Cause: ByCode, Reason: "the scope was closed", At: time.Now()})
}

// Cancellation returns the scope's cancellation if it was canceled or, if shielded, asked to; else
// nil.
func (s *Scope) Cancellation() *Cancellation {
	return cancellationOf(sandglass_workflow_cancellation.GetCancel(s.id))
}

// Requested is closed when the scope is canceled or, if it is shielded, its cancellation was asked
// for.
func (s *Scope) Requested() <-chan struct{} {
	return s.requested
}

// ask notes what the host tells.
func (s *Scope) ask(info *Cancellation) {
	if s.asked {
		return
	}
	s.asked = true
	if s.forgotten {
		delete(current.scopes, s.id)
	}
	close(s.requested)
	if !s.shields {
		s.cancel(info)
	}
}

// CancellationOf returns why the scope of a context was canceled; nil if it was not.
func CancellationOf(ctx context.Context) *Cancellation {
	return scopeOf(ctx).Cancellation()
}
