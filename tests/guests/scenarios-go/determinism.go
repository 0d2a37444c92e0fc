package main

import (
	"context"
	crypto "crypto/rand"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"math"
	"math/rand"
	randv2 "math/rand/v2"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"

	"sandglass"
)

var echo = sandglass.Activity[[]string]{Name: "Echo"}

// In each round: observes, tells an activity what it saw, sleeps as long as that says, and waits for the
// signal `next`. Returns what it saw last.
func observe(ctx context.Context, rounds int) ([]string, error) {
	var seen []string
	for round := range rounds {
		var err error
		if seen, err = echo.Call(ctx, look(round)); err != nil {
			return nil, err
		}
		digest := 7
		for _, letter := range strings.Join(seen, "") {
			digest = (digest*31 + int(letter)) % 65_521
		}
		if err := sandglass.Sleep(ctx, time.Duration(1+digest%1000)*time.Millisecond); err != nil {
			return nil, err
		}
		select {
		case <-sandglass.Signals[none]("next"):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return seen, nil
}

// What can be seen now.
func look(round int) []string {
	words := map[string]int{}
	for n := range 40 {
		words[fmt.Sprintf("%d-%v", n*7%40, rand.Float64())] = n
	}
	var order []int
	for _, n := range words {
		order = append(order, n)
	}
	text, _ := json.Marshal(words)
	bytes := make([]byte, 4)
	crypto.Read(bytes)
	now := time.Now()
	host, err := os.Hostname()
	return []string{
		fmt.Sprintf("words %s", text),
		fmt.Sprintf("order %v", order),
		fmt.Sprintf("select %v", chosen(20)),
		fmt.Sprintf("goroutines %v", raced(8)),
		fmt.Sprintf("now %v %v", now, now.Local()),
		fmt.Sprintf("took %v", time.Since(now)),
		fmt.Sprintf("random %v %v %x", rand.Intn(1000), randv2.Uint64(), bytes),
		fmt.Sprintf("hash %x", maphash.String(maphash.MakeSeed(), "text")),
		fmt.Sprintf("floats %s", floats(round)),
		fmt.Sprintf("address %p", &words),
		fmt.Sprintf("environment %v %v %q %v", os.Environ(), os.Args, host, err),
		fmt.Sprintf("runtime %s %d %d", runtime.Version(), runtime.NumCPU(), os.Getpid()),
	}
}

// Which of three channels that are all ready a select takes.
func chosen(times int) []int {
	var taken []int
	ready := [3]chan none{make(chan none), make(chan none), make(chan none)}
	for _, channel := range ready {
		close(channel)
	}
	for range times {
		select {
		case <-ready[0]:
			taken = append(taken, 0)
		case <-ready[1]:
			taken = append(taken, 1)
		case <-ready[2]:
			taken = append(taken, 2)
		}
	}
	return taken
}

// The order in which goroutines come by that make garbage, give way and wait for each other.
func raced(count int) []int {
	var group sync.WaitGroup
	var lock sync.Mutex
	var came []int
	for n := range count {
		group.Go(func() {
			kept := make([][]byte, 0, 64)
			for turn := range rand.Intn(5) + 1 {
				kept = append(kept, make([]byte, 10_000*(turn+1)))
				runtime.Gosched()
			}
			lock.Lock()
			defer lock.Unlock()
			came = append(came, n)
			runtime.KeepAlive(kept)
		})
	}
	group.Wait()
	return came
}

// NaNs made in different ways, and sums that round.
func floats(round int) string {
	total := 0.1
	for n := 1; n < 1000; n++ {
		total = math.Sin(total+1/float64(n)) + math.Exp(-float64(n)) + math.Cbrt(float64(n))/1e3
	}
	infinite := math.Inf(1)
	made := []float64{infinite - infinite, math.NaN() * float64(round), total, math.Pow(total, 7.3)}
	var text strings.Builder
	for _, value := range made {
		fmt.Fprintf(&text, "%016x ", math.Float64bits(value))
	}
	sorted := []float64{2.5, math.NaN(), -1, 0.1 + 0.2}
	sort.Float64s(sorted)
	return fmt.Sprintf("%s%v %v", text.String(), sorted, math.Tan(1e22))
}
