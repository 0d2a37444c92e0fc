package sandglass

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	wire "sandglass/internal/wit/sandglass_workflow_types"
	"sandglass/internal/wit/types"
)

const source = "sandglass-go"

// Failure is why a workflow, an activity or another operation failed: a chain of messages, each of a
// certain kind. To errors.Is a cancellation is context.Canceled, and a limit on time that was
// exceeded context.DeadlineExceeded.
type Failure struct {
	links []wire.FailureLink
	// The cancellation of a context of the standard library that has canceled the operation.
	by error
}

// NewFailure makes an error that a workflow or a handler returns. The type is the name that retry
// policies and callers go by.
func NewFailure(failureType, message string, details ...any) *Failure {
	made := wire.ApplicationFailure{FailureType: failureType}
	for _, detail := range details {
		encoded, err := encode(detail)
		if err != nil {
			encoded, _ = encode(err.Error())
		}
		made.Details = append(made.Details, encoded)
	}
	return failureOf(message, wire.MakeFailureInfoApplication(made))
}

func failureOf(message string, info wire.FailureInfo) *Failure {
	link := wire.FailureLink{Message: message, Source: source, Info: info}
	return &Failure{links: []wire.FailureLink{link}}
}

// NonRetryable returns the same failure, marked as one that another attempt cannot cure.
func (f *Failure) NonRetryable() *Failure {
	return f.changed(func(made *wire.ApplicationFailure) { made.NonRetryable = true })
}

// RetryAfter returns the same failure with the wait before the next attempt.
func (f *Failure) RetryAfter(delay time.Duration) *Failure {
	return f.changed(func(made *wire.ApplicationFailure) { made.NextRetryDelay = optionalMillis(delay) })
}

// CausedBy returns the same failure with its cause.
func (f *Failure) CausedBy(cause error) *Failure {
	if cause == nil {
		return f
	}
	return &Failure{links: append(f.links[:1:1], toLinks(cause)...), by: f.by}
}

func (f *Failure) changed(change func(*wire.ApplicationFailure)) *Failure {
	if f.links[0].Info.Tag() != wire.FailureInfoApplication {
		return f
	}
	links := append([]wire.FailureLink(nil), f.links...)
	made := links[0].Info.Application()
	change(&made)
	links[0].Info = wire.MakeFailureInfoApplication(made)
	return &Failure{links: links, by: f.by}
}

// Error returns the messages of the whole chain.
func (f *Failure) Error() string {
	texts := make([]string, len(f.links))
	for i, link := range f.links {
		texts[i] = link.Message
		switch link.Info.Tag() {
		case wire.FailureInfoApplication:
			if name := link.Info.Application().FailureType; name != "" {
				texts[i] = name + ": " + link.Message
			}
		case wire.FailureInfoActivity:
			texts[i] = "activity " + link.Info.Activity().ActivityType + ": " + link.Message
		}
	}
	return strings.Join(texts, ": ")
}

// Message returns what went wrong, without its causes.
func (f *Failure) Message() string {
	return f.links[0].Message
}

// Type returns the type of an error that code raised; empty for other kinds.
func (f *Failure) Type() string {
	if f.links[0].Info.Tag() != wire.FailureInfoApplication {
		return ""
	}
	return f.links[0].Info.Application().FailureType
}

// Cause returns the failure that caused this one; nil if there is none.
func (f *Failure) Cause() *Failure {
	if len(f.links) < 2 {
		return nil
	}
	return &Failure{links: f.links[1:], by: f.by}
}

// Unwrap returns the cause, for errors.Is and errors.As.
func (f *Failure) Unwrap() []error {
	var causes []error
	if cause := f.Cause(); cause != nil {
		causes = append(causes, cause)
	}
	if f.by != nil {
		causes = append(causes, f.by)
	}
	return causes
}

// Is tells errors.Is about cancellations and limits on time.
func (f *Failure) Is(target error) bool {
	switch f.links[0].Info.Tag() {
	case wire.FailureInfoCanceled:
		info := cancellationOf(f.links[0].Info.Canceled().Request)
		byTime := info != nil && info.Cause == TimedOut
		return target == context.Canceled && !byTime || target == context.DeadlineExceeded && byTime
	case wire.FailureInfoTimeout:
		return target == context.DeadlineExceeded
	}
	return false
}

// IsCancellation tells whether an error is a cancellation, bare or as the cause of another.
func IsCancellation(err error) bool {
	return errors.Is(err, context.Canceled)
}

// Details reads the values that describe the failure, or those of the last heartbeat before a limit
// on time was exceeded: of the first link of the chain that has any.
func (f *Failure) Details(into any) error {
	for _, link := range f.links {
		switch link.Info.Tag() {
		case wire.FailureInfoApplication:
			return decodeAll(link.Info.Application().Details, into, "the failure's details")
		case wire.FailureInfoCanceled:
			return decodeAll(link.Info.Canceled().Details, into, "the failure's details")
		case wire.FailureInfoTimeout:
			return decodeAll(link.Info.Timeout().LastHeartbeatDetails, into, "the last heartbeat's details")
		}
	}
	return decodeAll(nil, into, "the failure's details")
}

// Settled tells of a cancellation whether what was canceled is known to have ended; if not, its
// effect may still happen.
func (f *Failure) Settled() bool {
	last := f.links[len(f.links)-1].Info
	return last.Tag() != wire.FailureInfoCanceled || last.Canceled().Settled
}

// ActivityFailure says which activity failed.
type ActivityFailure struct {
	Type, ID, Identity string
}

// Activity returns which activity failed; nil if it was none.
func (f *Failure) Activity() *ActivityFailure {
	if f.links[0].Info.Tag() != wire.FailureInfoActivity {
		return nil
	}
	about := f.links[0].Info.Activity()
	return &ActivityFailure{about.ActivityType, about.ActivityId, about.Identity}
}

// ChildFailure says which child workflow failed.
type ChildFailure struct {
	Type, WorkflowID, RunID string
}

// Child returns which child workflow failed; nil if it was none.
func (f *Failure) Child() *ChildFailure {
	if f.links[0].Info.Tag() != wire.FailureInfoChildWorkflow {
		return nil
	}
	about := f.links[0].Info.ChildWorkflow()
	return &ChildFailure{about.WorkflowType, about.WorkflowId, about.RunId}
}

// CancelCause is what caused a cancellation.
type CancelCause uint8

// The causes.
const (
	// Requested: a client asked for it.
	Requested CancelCause = CancelCause(wire.CancelCauseRequested)
	// ByParent: the scope around it was canceled.
	ByParent CancelCause = CancelCause(wire.CancelCauseParent)
	// ByCode: the workflow's own code did it.
	ByCode CancelCause = CancelCause(wire.CancelCauseCode)
	// TimedOut: the scope's time has passed.
	TimedOut CancelCause = CancelCause(wire.CancelCauseTimeout)
)

// Cancellation is why, by whom and when a scope was canceled. It is what context.Cause returns for
// its context.
type Cancellation struct {
	Cause CancelCause
	// Reason and Requester are empty if none was given.
	Reason, Requester string
	// At is when it was recorded.
	At time.Time
	// Deadline is when the host stops waiting for the run's end; the zero time if it does not.
	Deadline time.Time
}

// Error returns the reason.
func (c *Cancellation) Error() string {
	if c.Reason == "" {
		return "canceled"
	}
	return "canceled: " + c.Reason
}

// Is tells errors.Is that this is a cancellation.
func (c *Cancellation) Is(target error) bool {
	if c.Cause == TimedOut {
		return target == context.DeadlineExceeded
	}
	return target == context.Canceled
}

func cancellationOf(info types.Option[wire.CancelInfo]) *Cancellation {
	if !info.IsSome() {
		return nil
	}
	told := info.Some()
	made := &Cancellation{
		Cause: CancelCause(told.Cause), Reason: told.Reason, Requester: told.Requester, At: instant(told.At),
	}
	if told.Deadline.IsSome() {
		made.Deadline = instant(told.Deadline.Some())
	}
	return made
}

// toLinks turns an error that code returned into a failure. A cancellation stays what it is though it
// was wrapped; whatever else is an application failure, whose type is the name of the error's Go type,
// and whose cause is the failure that it wraps.
func toLinks(err error) []wire.FailureLink {
	if failure, ok := err.(*Failure); ok {
		return timedOut(failure)
	}
	if errors.Is(err, context.Canceled) {
		if failure := find(err, func(f *Failure) bool { return IsCancellation(f) }); failure != nil {
			return timedOut(failure)
		}
		return failureOf(err.Error(), wire.MakeFailureInfoCanceled(wire.CanceledFailure{Settled: true})).links
	}
	if failure := find(err, func(*Failure) bool { return true }); failure != nil {
		return append(applicationOf(err).links, timedOut(failure)...)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return timeout(err.Error())
	}
	return applicationOf(err).links
}

// find looks for a failure among what an error wraps.
func find(err error, is func(*Failure) bool) *Failure {
	switch of := err.(type) {
	case *Failure:
		if is(of) {
			return of
		}
	case interface{ Unwrap() error }:
		if inner := of.Unwrap(); inner != nil {
			return find(inner, is)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range of.Unwrap() {
			if found := find(inner, is); found != nil {
				return found
			}
		}
	}
	return nil
}

// timedOut is a failure as it is told outside of the scope whose time has passed.
func timedOut(failure *Failure) []wire.FailureLink {
	last := failure.links[len(failure.links)-1].Info
	if last.Tag() != wire.FailureInfoCanceled {
		return failure.links
	}
	if info := cancellationOf(last.Canceled().Request); info != nil && info.Cause == TimedOut {
		return timeout("the scope was not done in time")
	}
	if failure.by != nil && errors.Is(failure.by, context.DeadlineExceeded) {
		return timeout(failure.by.Error())
	}
	return failure.links
}

func timeout(message string) []wire.FailureLink {
	info := wire.TimeoutFailure{Kind: wire.TimeoutKindStartToClose}
	return failureOf(message, wire.MakeFailureInfoTimeout(info)).links
}

func applicationOf(err error) *Failure {
	kind := reflect.TypeOf(err)
	for kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	return NewFailure(kind.Name(), err.Error())
}

func instant(millis uint64) time.Time {
	return time.UnixMilli(int64(millis)).UTC()
}

// millis is a length of time as the host counts it: whole milliseconds, rounded up.
func millis(length time.Duration) uint64 {
	if length <= 0 {
		return 0
	}
	return uint64((length-1)/time.Millisecond) + 1
}

// optionalMillis is nothing for a length of zero, which is what is not set.
func optionalMillis(length time.Duration) types.Option[uint64] {
	if length == 0 {
		return types.None[uint64]()
	}
	return types.Some(millis(length))
}

func optional(text string) types.Option[string] {
	if text == "" {
		return types.None[string]()
	}
	return types.Some(text)
}

func unknown(what, name string, known []string) *Failure {
	there := "there are none"
	if len(known) > 0 {
		there = "there are: `" + strings.Join(known, "`, `") + "`"
	}
	return NewFailure("Unknown"+strings.ToUpper(what[:1])+what[1:], fmt.Sprintf("no %s `%s`; %s", what, name, there))
}
