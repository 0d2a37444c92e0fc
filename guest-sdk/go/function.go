package sandglass

import (
	"context"
	"fmt"
	"reflect"
)

// function is one that the host calls by name: a context if it wants one, then values that are
// payloads; it returns a value, an error, both or neither.
type function struct {
	of         reflect.Value
	hasContext bool
	arguments  []reflect.Type
	hasValue   bool
	hasError   bool
}

var (
	contextType = reflect.TypeFor[context.Context]()
	errorType   = reflect.TypeFor[error]()
)

// functionOf checks a function. It panics if it is none, or of another form; `what` names it.
func functionOf(what string, of any) function {
	value := reflect.ValueOf(of)
	if value.Kind() != reflect.Func || value.Type().IsVariadic() {
		panic(fmt.Sprintf("sandglass: %s must be a function without variadic arguments, not %T", what, of))
	}
	made := function{of: value}
	kind := value.Type()
	for i := range kind.NumIn() {
		switch {
		case kind.In(i) != contextType:
			made.arguments = append(made.arguments, kind.In(i))
		case i == 0:
			made.hasContext = true
		default:
			panic(fmt.Sprintf("sandglass: %s must have its context first", what))
		}
	}
	results := kind.NumOut()
	if made.hasError = results > 0 && kind.Out(results-1) == errorType; made.hasError {
		results--
	}
	if made.hasValue = results == 1; results > 1 {
		panic(fmt.Sprintf("sandglass: %s must return a value and an error, or less", what))
	}
	return made
}

// decode reads the arguments. One that was left out is no value, where that is allowed.
func (f function) decode(given []payload) ([]reflect.Value, error) {
	if len(given) > len(f.arguments) {
		message := fmt.Sprintf("%d arguments were given where %d are wanted", len(given), len(f.arguments))
		return nil, NewFailure("PayloadDecoding", message).NonRetryable()
	}
	values := make([]reflect.Value, len(f.arguments))
	for i, kind := range f.arguments {
		into := reflect.New(kind)
		what := fmt.Sprintf("argument %d", i+1)
		if i < len(given) {
			if err := decode(given[i], into.Interface(), what); err != nil {
				return nil, err
			}
		} else if !mayBeNil(kind) {
			message := fmt.Sprintf("argument %d of %d is missing, of type %v", i+1, len(f.arguments), kind)
			return nil, NewFailure("PayloadDecoding", message).NonRetryable()
		}
		values[i] = into.Elem()
	}
	return values, nil
}

func mayBeNil(kind reflect.Type) bool {
	switch kind.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice:
		return true
	}
	return kind.Kind() == reflect.Struct && kind.NumField() == 0
}

// call calls it and returns its value, nil if it has none.
func (f function) call(ctx context.Context, values []reflect.Value) (any, error) {
	if f.hasContext {
		values = append([]reflect.Value{reflect.ValueOf(ctx)}, values...)
	}
	results := f.of.Call(values)
	if f.hasError {
		if err := results[len(results)-1]; !err.IsNil() {
			return nil, err.Interface().(error)
		}
	}
	if !f.hasValue {
		return nil, nil
	}
	return results[0].Interface(), nil
}

// answer decodes, calls and encodes.
func (f function) answer(ctx context.Context, given []payload) (payload, error) {
	values, err := f.decode(given)
	if err != nil {
		return payload{}, err
	}
	value, err := f.call(ctx, values)
	if err != nil {
		return payload{}, err
	}
	return encode(value)
}
