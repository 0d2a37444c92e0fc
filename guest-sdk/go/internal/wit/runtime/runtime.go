// Package runtime gives the memory that values cross to the host and back in. The generated bindings
// use it.
package runtime

import (
	"runtime"
	"unsafe"
)

// Allocate returns memory that stays where it is, and stays, until the pinner lets go of it.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	memory := make8(size)
	if memory != nil {
		pinner.Pin(memory)
	}
	return memory
}

// make8 makes memory without pointers, aligned for everything that crosses.
func make8(size uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	return unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
}

// crossing is what the host has asked for and the bindings have not taken over yet.
var crossing []unsafe.Pointer

// Unpin is called when they have: what is still used is referred to by the values.
func Unpin() {
	clear(crossing)
	crossing = crossing[:0]
}
