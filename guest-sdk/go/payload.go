package sandglass

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	"sandglass/internal/wit/sandglass_workflow_types"
	"sandglass/internal/wit/types"
)

type payload = sandglass_workflow_types.Payload

const encoding = "encoding"

var (
	jsonPlain  = []byte("json/plain")
	binaryNull = []byte("binary/null")
)

// encode turns a value into a payload, as Temporal's JSON converter does. What is `null` in JSON is
// no value.
func encode(value any) (payload, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		message := fmt.Sprintf("a value of type %T has no JSON form: %v", value, err)
		return payload{}, NewFailure("PayloadEncoding", message).NonRetryable()
	}
	data := bytes.TrimSuffix(text.Bytes(), []byte("\n"))
	kind := jsonPlain
	if string(data) == "null" {
		kind, data = binaryNull, nil
	}
	return payload{Metadata: []types.Tuple2[string, []uint8]{{F0: encoding, F1: kind}}, Data: data}, nil
}

func encodeAll(values []any) ([]payload, error) {
	payloads := make([]payload, len(values))
	for i, value := range values {
		var err error
		if payloads[i], err = encode(value); err != nil {
			return nil, err
		}
	}
	return payloads, nil
}

// decode reads a payload into what `into` points to. `what` names it in the error.
func decode(from payload, into any, what string) error {
	var err error
	switch kind := encodingOf(from); {
	case kind == nil:
		err = fmt.Errorf("it names no encoding")
	case bytes.Equal(kind, binaryNull):
		err = json.Unmarshal([]byte("null"), into)
	case bytes.Equal(kind, jsonPlain):
		err = json.Unmarshal(from.Data, into)
	default:
		err = fmt.Errorf("its encoding is %s", kind)
	}
	if err == nil {
		return nil
	}
	wanted := reflect.TypeOf(into).Elem()
	message := fmt.Sprintf("%s does not decode as %v: %v", what, wanted, err)
	return NewFailure("PayloadDecoding", message).NonRetryable()
}

func encodingOf(from payload) []byte {
	for _, entry := range from.Metadata {
		if entry.F0 == encoding {
			return entry.F1
		}
	}
	return nil
}

// decodeAll reads a list of payloads as one value: one as itself, none as no value, more as a list.
func decodeAll(from []payload, into any, what string) error {
	switch len(from) {
	case 0:
		return decode(payload{Metadata: []types.Tuple2[string, []uint8]{{F0: encoding, F1: binaryNull}}}, into, what)
	case 1:
		return decode(from[0], into, what)
	}
	parts := make([]any, len(from))
	for i, part := range from {
		if err := decode(part, &parts[i], what); err != nil {
			return err
		}
	}
	list, err := encode(parts)
	if err != nil {
		return err
	}
	return decode(list, into, what)
}
