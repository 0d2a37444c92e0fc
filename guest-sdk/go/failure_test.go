package sandglass

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	wire "sandglass/internal/wit/sandglass_workflow_types"
	"sandglass/internal/wit/types"
)

func canceled(request types.Option[wire.CancelInfo]) wire.FailureLink {
	info := wire.CanceledFailure{Settled: true, Request: request}
	return wire.FailureLink{Message: "canceled", Info: wire.MakeFailureInfoCanceled(info)}
}

func activity() wire.FailureLink {
	info := wire.ActivityFailure{ActivityType: "ship", ActivityId: "5"}
	return wire.FailureLink{Message: "failed", Info: wire.MakeFailureInfoActivity(info)}
}

func kinds(links []wire.FailureLink) string {
	names := map[uint8]string{
		wire.FailureInfoApplication: "application", wire.FailureInfoCanceled: "canceled",
		wire.FailureInfoTimeout: "timeout", wire.FailureInfoActivity: "activity",
	}
	var kinds []string
	for _, link := range links {
		kinds = append(kinds, names[uint8(link.Info.Tag())])
	}
	return strings.Join(kinds, " ")
}

type ownError struct{ code int }

func (e *ownError) Error() string { return fmt.Sprint("code ", e.code) }

// What a workflow returns, and what the host is told of it.
func TestErrorsBecomeFailures(t *testing.T) {
	none := types.None[wire.CancelInfo]()
	byTime := types.Some(wire.CancelInfo{Cause: wire.CancelCauseTimeout})
	own := &Failure{links: []wire.FailureLink{canceled(none)}}
	ofActivity := &Failure{links: []wire.FailureLink{activity(), canceled(none)}}
	limited := &Failure{links: []wire.FailureLink{activity(), canceled(byTime)}}
	byContext := &Failure{links: []wire.FailureLink{activity(), canceled(none)}, by: context.DeadlineExceeded}
	for _, test := range []struct {
		err      error
		kinds    string
		canceled bool
		late     bool
	}{
		{own, "canceled", true, false},
		{ofActivity, "activity canceled", true, false},
		{fmt.Errorf("shipping: %w", ofActivity), "activity canceled", true, false},
		{errors.Join(errors.New("first"), own), "canceled", true, false},
		{context.Canceled, "canceled", true, false},
		{&Cancellation{Cause: Requested}, "canceled", true, false},
		{limited, "timeout", false, true},
		{fmt.Errorf("shipping: %w", limited), "application timeout", false, true},
		{byContext, "timeout", true, true},
		{context.DeadlineExceeded, "timeout", false, true},
		{NewFailure("Sad", "so sad").CausedBy(NewFailure("Why", "because")), "application application", false, false},
		{&ownError{3}, "application", false, false},
		{fmt.Errorf("twice: %w", NewFailure("Sad", "so sad")), "application application", false, false},
	} {
		if found := kinds(toLinks(test.err)); found != test.kinds {
			t.Errorf("%v becomes %s, not %s", test.err, found, test.kinds)
		}
		if IsCancellation(test.err) != test.canceled || errors.Is(test.err, context.DeadlineExceeded) != test.late {
			t.Errorf("%v: canceled %t, late %t", test.err, IsCancellation(test.err), !test.late)
		}
	}
	if name := toLinks(&ownError{3})[0].Info.Application().FailureType; name != "ownError" {
		t.Errorf("the type is %s", name)
	}
	if text := ofActivity.Error(); text != "activity ship: failed: canceled" {
		t.Error(text)
	}
}

func TestFailuresHaveDetails(t *testing.T) {
	failure := NewFailure("Sad", "so sad", 7, "more").NonRetryable().RetryAfter(1500 * time.Microsecond)
	var details []any
	if err := failure.Details(&details); err != nil || fmt.Sprint(details) != "[7 more]" {
		t.Error(details, err)
	}
	made := failure.links[0].Info.Application()
	if !made.NonRetryable || made.NextRetryDelay.Some() != 2 {
		t.Errorf("%+v", made)
	}
}

func TestValuesBecomePayloads(t *testing.T) {
	var nothing *int
	for _, test := range []struct {
		value          any
		encoding, data string
	}{
		{nil, "binary/null", ""},
		{nothing, "binary/null", ""},
		{"a<b", "json/plain", `"a<b"`},
		{[]int{}, "json/plain", "[]"},
		{map[string]int{"b": 1, "a": 2}, "json/plain", `{"a":2,"b":1}`},
	} {
		made, err := encode(test.value)
		if err != nil || string(encodingOf(made)) != test.encoding || string(made.Data) != test.data {
			t.Errorf("%v: %s %s %v", test.value, encodingOf(made), made.Data, err)
		}
	}
	if _, err := encode(func() {}); err == nil || !strings.Contains(err.Error(), "PayloadEncoding") {
		t.Error(err)
	}
	text, _ := encode("seven")
	var number int
	if err := decode(text, &number, "argument 1"); err == nil ||
		!strings.Contains(err.Error(), "PayloadDecoding: argument 1 does not decode as int") {
		t.Error(err)
	}
}

func TestFunctionsTakeWhatTheyWant(t *testing.T) {
	seven, _ := encode(7)
	ctx := context.Background()
	for _, test := range []struct {
		of    any
		given []payload
		data  string
	}{
		{func(ctx context.Context, a int, b *int) (int, error) { return a, nil }, []payload{seven}, "7"},
		{func() {}, nil, ""},
		{func(struct{}) string { return "x" }, nil, `"x"`},
		{func(a int) error { return nil }, []payload{seven}, ""},
	} {
		made, err := functionOf("it", test.of).answer(ctx, test.given)
		if err != nil || string(made.Data) != test.data {
			t.Errorf("%T: %s %v", test.of, made.Data, err)
		}
	}
	of := functionOf("it", func(a, b int) error { return nil })
	for _, given := range [][]payload{{seven}, {seven, seven, seven}} {
		if _, err := of.answer(ctx, given); err == nil || !strings.Contains(err.Error(), "of 2 is missing") &&
			!strings.Contains(err.Error(), "3 arguments were given where 2") {
			t.Error(err)
		}
	}
	for _, wrong := range []any{7, func(...int) {}, func(int, context.Context) {}, func() (int, int) { return 1, 2 }} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%T is taken", wrong)
				}
			}()
			functionOf("it", wrong)
		}()
	}
}

func TestTimesAreRoundedUp(t *testing.T) {
	for length, wanted := range map[time.Duration]uint64{-1: 0, 0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2} {
		if found := millis(length); found != wanted {
			t.Errorf("%v: %d", length, found)
		}
	}
}
