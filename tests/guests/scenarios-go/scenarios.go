// The workflows of the acceptance scenarios that are played in each language. Each is named after its
// scenario; README.md of tests/guests/scenarios lists them with the activities that the test host must
// serve.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sandglass"
)

func main() {
	sandglass.Register("a01", a01)
	sandglass.Register("a04", a04)
	sandglass.Register("a04_then_sleep", a04ThenSleep)
	sandglass.Register("a05", a05)
	sandglass.Register("a06", a06)
	sandglass.Register("a07", a07)
	sandglass.Register("a08", a08)
	sandglass.Register("a09", a09)
	sandglass.Register("a10", a10)
	sandglass.Register("a13", a13)
	sandglass.Register("a21", a21)
	sandglass.Register("a21_then_sleep", a21ThenSleep)
	sandglass.Register("a24", a24)
	sandglass.Register("observe", observe)
	sandglass.Register("libraries", libraries)
	sandglass.Register("clocks", clocks)
	sandglass.Register("scopes", scopes)
	sandglass.Register("contexts", contexts)
	sandglass.Register("cart", cart)
	sandglass.Register("collector", collector)
	sandglass.Register("panics", panics)
	sandglass.Register("spins", spins)
}

type none = struct{}

var (
	once = &sandglass.RetryPolicy{MaximumAttempts: 1}

	// Heartbeats every 200 ms. On cancellation it fails with it, with the details `d`.
	work = sandglass.Activity[int]{Name: "Work", Heartbeat: 2 * time.Second, Retry: once}
	// Heartbeats every 200 ms. On cancellation it returns 7.
	swallow = sandglass.Activity[int]{Name: "Swallow", Heartbeat: 2 * time.Second, Retry: once}
	// Runs 5 s without looking at anything.
	deaf = sandglass.Activity[int]{Name: "Deaf", Cancellation: sandglass.Abandon, Retry: once}
	// Cleans up, at once.
	cleanup = sandglass.Activity[none]{Name: "Cleanup", Retry: once}
	// Steps of the saga that are done at once, and one that heartbeats every 200 ms; what that does on
	// cancellation is the test's choice.
	stepA = sandglass.Activity[none]{Name: "A", Retry: once}
	stepB = sandglass.Activity[none]{Name: "B", Retry: once}
	stepC = sandglass.Activity[none]{Name: "C", Heartbeat: 2 * time.Second, Retry: once}
	// What undoes them.
	undoA = sandglass.Activity[none]{Name: "a", Retry: once}
	undoB = sandglass.Activity[none]{Name: "b", Retry: once}
	undoC = sandglass.Activity[none]{Name: "c", Retry: once}
)

// A timer, uncaught. For A01 to A03.
func a01(ctx context.Context) error {
	slog.Info("main was entered")
	return sandglass.Sleep(ctx, time.Hour)
}

// Does not let itself be canceled.
func a04(ctx context.Context) (string, error) {
	shielded, scope := sandglass.Shielded(ctx)
	defer scope.Close()
	return "ok", sandglass.Sleep(shielded, 2*time.Second)
}

// Notices the cancellation after the shield.
func a04ThenSleep(ctx context.Context) (string, error) {
	if _, err := a04(ctx); err != nil {
		return "", err
	}
	return "ok", sandglass.Sleep(ctx, time.Second)
}

// Cleans up, then lets the cancellation go on.
func a05(ctx context.Context) error {
	err := sandglass.Sleep(ctx, time.Hour)
	if !errors.Is(err, context.Canceled) {
		return err
	}
	detached, _ := sandglass.Detached(ctx)
	return errors.Join(cleanup.Do(detached), err)
}

// Cleans up and succeeds.
func a06(ctx context.Context) (string, error) {
	if err := sandglass.Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		return "slept", err
	}
	detached, _ := sandglass.Detached(ctx)
	return "cleaned", cleanup.Do(detached)
}

func tryCancel() sandglass.Activity[int] {
	changed := work
	changed.Cancellation = sandglass.TryCancel
	return changed
}

// Activities and timers in turns, in one scope; all are waited for.
func a07(ctx context.Context) error {
	ctx, scope := sandglass.WithScope(ctx)
	defer scope.Close()
	first := tryCancel().Start(ctx)
	timer := sandglass.NewTimer(ctx, time.Hour)
	second := tryCancel().Start(ctx)
	last := sandglass.NewTimer(ctx, time.Hour)
	if _, err := first.Wait(); err != nil {
		return err
	}
	if _, err := timer.Wait(); err != nil {
		return err
	}
	if _, err := second.Wait(); err != nil {
		return err
	}
	_, err := last.Wait()
	return err
}

// An activity that fails with the cancellation.
func a08(ctx context.Context) (int, error) {
	result, err := work.Call(ctx)
	var failure *sandglass.Failure
	if errors.As(err, &failure) {
		about, cause := failure.Activity(), failure.Cause()
		var details *string
		if err := failure.Details(&details); err != nil {
			return 0, err
		}
		told := "None"
		if details != nil {
			told = fmt.Sprintf("Some(%q)", *details)
		}
		slog.Info(fmt.Sprintf("activity failure: %t, caused by a cancellation: %t, details: %s",
			about != nil && about.Type == "Work",
			cause != nil && cause.Cause() == nil && cause.Is(context.Canceled), told))
	}
	return result, err
}

// An activity that returns a value on cancellation.
func a09(ctx context.Context) (int, error) {
	return swallow.Call(ctx)
}

// An activity that is abandoned.
func a10(ctx context.Context) (int, error) {
	return deaf.Call(ctx)
}

// Waits for how a canceled child ends.
func a13(ctx context.Context, id string) (*string, error) {
	child := sandglass.ChildWorkflow[*string]{Type: "a01", ID: id}.Start(ctx)
	_, err := child.Started()
	slog.Info(fmt.Sprintf("started: %t", err == nil))
	return child.Wait()
}

// Three steps, each with what undoes it.
func a21(ctx context.Context) error {
	if err := stepA.CompensatedBy(undoA.With()).Do(ctx); err != nil {
		return err
	}
	if err := stepB.CompensatedBy(undoB.With()).Do(ctx); err != nil {
		return err
	}
	return stepC.CompensatedBy(undoC.With()).Do(ctx)
}

// The same, and then a timer: a cancellation that the last step does not accept shows there.
func a21ThenSleep(ctx context.Context) error {
	if err := a21(ctx); err != nil {
		return err
	}
	return sandglass.Sleep(ctx, time.Second)
}

// Two activities that are not waited for, and a channel that nothing comes from.
func a24(ctx context.Context) error {
	first := tryCancel().Start(ctx)
	second := tryCancel().Start(ctx)
	select {
	case <-make(chan none):
	case <-ctx.Done():
	}
	slog.Info(fmt.Sprintf("condition raised: %t", errors.Is(ctx.Err(), context.Canceled)))
	for number, waited := range []*sandglass.Operation[int]{first, second} {
		_, err := waited.Wait()
		slog.Info(fmt.Sprintf("a%d raised: %t", number+1, errors.Is(err, context.Canceled)))
	}
	return ctx.Err()
}
