// Package pump tells when all goroutines wait, and for which time.
//
// Go has one thread here. A goroutine that sleeps goes on when the clock has come to where it
// wanted, and the clock of a workflow stands still: it moves only if the runtime asks to wait for
// it, and the runtime asks when no goroutine can run. So whoever sleeps for the shortest time there
// is goes on when all others wait.
package pump

import (
	"runtime"
	"time"
	_ "unsafe" // for linkname
)

//go:linkname timeSleepUntil runtime.timeSleepUntil
func timeSleepUntil() int64

//go:linkname nanotime runtime.nanotime
func nanotime() int64

//go:linkname mainMain main.main
func mainMain()

const (
	never       = 1<<63 - 1
	millisecond = int64(time.Millisecond)
)

// Settle returns when every other goroutine waits.
func Settle() {
	time.Sleep(1)
	// Who waited for the same instant was woken after this, and goes on first. The scheduler asks for
	// this one first at every 61st turn only.
	for range 8 {
		runtime.Gosched()
	}
}

// Due says when the first goroutine that waits for the clock wants to go on, in nanoseconds of the
// clock, and how many milliseconds that is from now; ok is false if none does.
func Due() (due int64, millis uint64, ok bool) {
	due = timeSleepUntil()
	if due == never {
		return 0, 0, false
	}
	now := nanotime() / millisecond * millisecond
	wait := max(due-now, 1)
	return due, uint64((wait + millisecond - 1) / millisecond), true
}

// Main calls the program's function main. A component has one, and nobody else calls it.
func Main() {
	mainMain()
}
