// Package types has what WIT's generic types are in Go. The generated bindings use it.
package types

// Unit is no value.
type Unit struct{}

// Tuple2 is a pair.
type Tuple2[A any, B any] struct {
	F0 A
	F1 B
}

// The tags of an Option.
const (
	OptionNone = 0
	OptionSome = 1
)

// Option is a value or nothing.
type Option[T any] struct {
	some  bool
	value T
}

// None is nothing.
func None[T any]() Option[T] {
	return Option[T]{}
}

// Some is a value.
func Some[T any](value T) Option[T] {
	return Option[T]{true, value}
}

// Tag says which of the two it is.
func (o Option[T]) Tag() uint8 {
	if o.some {
		return OptionSome
	}
	return OptionNone
}

// IsSome tells whether there is a value.
func (o Option[T]) IsSome() bool {
	return o.some
}

// Some returns the value. It panics if there is none.
func (o Option[T]) Some() T {
	if !o.some {
		panic("there is no value")
	}
	return o.value
}

// The tags of a Result.
const (
	ResultOk  = 0
	ResultErr = 1
)

// Result is a value or an error's.
type Result[T any, E any] struct {
	failed bool
	value  T
	err    E
}

// Ok is a value.
func Ok[T any, E any](value T) Result[T, E] {
	return Result[T, E]{value: value}
}

// Err is an error's value.
func Err[T any, E any](err E) Result[T, E] {
	return Result[T, E]{failed: true, err: err}
}

// Tag says which of the two it is.
func (r Result[T, E]) Tag() uint8 {
	if r.failed {
		return ResultErr
	}
	return ResultOk
}

// IsErr tells whether it is an error's value.
func (r Result[T, E]) IsErr() bool {
	return r.failed
}

// Ok returns the value. It panics if there is none.
func (r Result[T, E]) Ok() T {
	if r.failed {
		panic("it is an error")
	}
	return r.value
}

// Err returns the error's value. It panics if there is none.
func (r Result[T, E]) Err() E {
	if !r.failed {
		panic("it is no error")
	}
	return r.err
}
