package runtime

import "unsafe"

// Before Go's runtime has begun there is no memory but what the system gives: the adapter for
// preview 1 asks for its own then.
//
//go:linkname sbrk runtime.sbrk
func sbrk(size uintptr) unsafe.Pointer

//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()

var begun bool

func init() {
	crossing = make([]unsafe.Pointer, 0, 64)
	begun = true
}

// While the host asks for memory the component must not call it. A garbage collection would, for
// the time; it neither begins nor is helped where the thread is held.
//
//go:wasmexport cabi_realloc
func realloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if !begun {
		memory := uintptr(sbrk(size + 8))
		return unsafe.Pointer((memory + 7) &^ 7)
	}
	procPin()
	memory := make8(size)
	if oldSize > 0 && memory != nil {
		copy(unsafe.Slice((*byte)(memory), size), unsafe.Slice((*byte)(old), oldSize))
	}
	crossing = append(crossing, memory)
	procUnpin()
	return memory
}
