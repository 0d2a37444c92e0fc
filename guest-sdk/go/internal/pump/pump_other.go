//go:build !wasip1

// Package pump is of use in a component only. This is what lets the SDK compile elsewhere, for
// editors and tests of code that calls nothing of it.
package pump

// Settle does nothing.
func Settle() {}

// Due says that nobody waits.
func Due() (due int64, millis uint64, ok bool) { return 0, 0, false }

// Main does nothing.
func Main() {}
