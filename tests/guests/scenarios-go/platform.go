package main

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"os"
	"regexp"
	"runtime"
	"sync"
	"text/template"
	"time"

	"sandglass"
)

var say = sandglass.Activity[string]{Name: "Echo"}

// What waits for the clock by package time.
func clocks(ctx context.Context) ([]string, error) {
	told := []string{}
	tell := func(format string, values ...any) { told = append(told, fmt.Sprintf(format, values...)) }
	began := time.Now()
	var group sync.WaitGroup
	for _, wait := range []time.Duration{3 * time.Second, time.Second, 2500 * time.Microsecond} {
		group.Go(func() {
			time.Sleep(wait)
			tell("slept %v", wait)
		})
	}
	group.Wait()
	tell("after %v", time.Since(began))
	select {
	case <-time.After(time.Hour):
		tell("an hour")
	case <-sandglass.NewTimer(ctx, time.Second).Done():
		tell("the SDK's timer")
	}
	// However far the clock is moved meanwhile, it is the deadline that ends it.
	patient := work
	patient.Heartbeat = 0
	limited, cancel := context.WithTimeout(ctx, 1500*time.Millisecond)
	defer cancel()
	_, err := patient.Call(limited)
	tell("deadline %t, canceled %t", errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled))
	ticker := time.NewTicker(time.Second)
	for range 2 {
		<-ticker.C
	}
	ticker.Stop()
	tell("after %v", time.Since(began).Round(time.Second))
	// The shortest wait there is.
	time.Sleep(1)
	return told, nil
}

// How many bytes are kept of five hundred scopes that were closed, each with one in it that was not.
func scopes(ctx context.Context) (bool, error) {
	held := func() uint64 {
		var memory runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&memory)
		return memory.HeapAlloc
	}
	before := held()
	for range 500 {
		outer, scope := sandglass.WithScope(ctx)
		sandglass.Shielded(outer)
		scope.Close()
	}
	more := int64(held()) - int64(before)
	fmt.Println(more, "bytes")
	return more < 64<<10, ctx.Err()
}

// Is told of its cancellation at each wait; cleans up in defer.
func contexts(ctx context.Context) (told []string, err error) {
	tell := func(text string) { told = append(told, text) }
	defer func() {
		shielded, scope := sandglass.Shielded(ctx)
		defer scope.Close()
		select {
		case <-scope.Requested():
			tell("requested of the shield")
		default:
		}
		if sandglass.Sleep(shielded, time.Second) == nil {
			tell("slept in the shield")
		}
		err = nil
	}()
	inner, cancel := context.WithCancel(ctx)
	started := tryCancel().Start(inner)
	cancel()
	if _, err := started.Wait(); errors.Is(err, context.Canceled) && ctx.Err() == nil {
		tell("activity")
	}
	if err := sandglass.Sleep(inner, time.Second); errors.Is(err, context.Canceled) {
		tell("not started")
	}
	limited, scope := sandglass.WithTimeout(ctx, time.Second)
	_, err = tryCancel().Call(limited)
	if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) &&
		limited.Err() == context.DeadlineExceeded {
		tell("timeout")
	}
	scope.Close()
	closed, scope := sandglass.WithScope(ctx)
	left := sandglass.NewTimer(closed, time.Hour)
	scope.Close()
	if _, err := left.Wait(); errors.Is(err, context.Canceled) {
		tell("closed")
	}
	further, stop := context.WithCancel(ctx)
	defer stop()
	after := make(chan none)
	context.AfterFunc(further, func() { close(after) })
	select {
	case <-sandglass.Signals[none]("never"):
	case <-further.Done():
		tell("signal")
	}
	<-after
	var cause *sandglass.Cancellation
	if errors.As(context.Cause(further), &cause) {
		tell(fmt.Sprintf("%s by %d", cause.Reason, cause.Cause))
	}
	if err := sandglass.Sleep(ctx, time.Hour); errors.Is(err, context.Canceled) {
		tell("again")
	}
	return told, ctx.Err()
}

type item struct {
	Name  string
	Price int
}

// Things that are told by signals and updates, and asked for by queries.
func cart(ctx context.Context, limit int) ([]item, error) {
	items := []item{}
	sandglass.HandleQuery("contents", func() []item { return items })
	sandglass.HandleQuery("price", func(name string) (int, error) {
		for _, one := range items {
			if one.Name == name {
				return one.Price, nil
			}
		}
		return 0, sandglass.NewFailure("NotThere", "there is no "+name)
	})
	sandglass.HandleUpdate("add", func(ctx context.Context, added item) (int, error) {
		if _, err := say.Call(ctx, added.Name); err != nil {
			return 0, err
		}
		items = append(items, added)
		return len(items), nil
	}, func(added item) error {
		if len(items) >= limit {
			return sandglass.NewFailure("Full", fmt.Sprintf("there are %d", limit))
		}
		return nil
	})
	checkout := sandglass.Signals[none]("checkout")
	for removed := sandglass.Signals[string]("remove"); ; {
		select {
		case name := <-removed:
			kept := []item{}
			for _, one := range items {
				if one.Name != name {
					kept = append(kept, one)
				}
			}
			items = kept
		case <-checkout:
			return items, sandglass.WaitForHandlers(ctx)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Counts notes, and goes on as new after every third.
func collector(ctx context.Context, count int) (int, error) {
	notes := sandglass.Signals[string]("note")
	for taken := 0; taken < 3; taken++ {
		select {
		case note := <-notes:
			if note == "end" {
				return count, nil
			}
			count++
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return 0, sandglass.ContinueAsNew(count)
}

// letters is a heap of strings, the last of the alphabet first.
type letters []string

func (l letters) Len() int           { return len(l) }
func (l letters) Less(i, j int) bool { return l[i] > l[j] }
func (l letters) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *letters) Push(value any)    { *l = append(*l, value.(string)) }
func (l *letters) Pop() any {
	last := (*l)[len(*l)-1]
	*l = (*l)[:len(*l)-1]
	return last
}

// Packages of the standard library as they are, around at most two activities at a time.
func libraries(ctx context.Context) (string, error) {
	limit := make(chan none, 2)
	var running, most int
	kept := &letters{}
	errs := make(chan error)
	for _, value := range []string{"c", "a", "b", "e", "d"} {
		go func() {
			limit <- none{}
			defer func() { <-limit }()
			running++
			most = max(most, running)
			told, err := say.Call(ctx, value)
			heap.Push(kept, told)
			running--
			errs <- err
		}()
	}
	var all error
	for range 5 {
		all = errors.Join(all, <-errs)
	}
	sorted := []string{}
	for kept.Len() > 0 {
		sorted = append(sorted, heap.Pop(kept).(string))
	}
	fmt.Println("printed")
	log.Print("logged")
	_, noFile := os.ReadFile("/etc/hostname")
	page := template.Must(template.New("page").Parse(
		"{{range .Sorted}}<{{.}}>{{end}} most {{.Most}} {{.Address}} {{.Match}} {{.NoFile}}"))
	var text bytes.Buffer
	err := page.Execute(&text, map[string]any{
		"Sorted": sorted, "Most": most, "Address": netip.MustParseAddr("10.0.0.1").Next(),
		"Match":  regexp.MustCompile(`b(a+)`).FindString("xbaac"),
		"NoFile": noFile != nil,
	})
	return text.String(), errors.Join(all, err)
}

// Has a bug.
func panics(ctx context.Context) error {
	var nothing *item
	slog := nothing.Name
	return errors.New(slog)
}

// Never waits.
func spins(ctx context.Context) error {
	for turns := 0; ; turns++ {
		if turns < 0 {
			return nil
		}
	}
}
