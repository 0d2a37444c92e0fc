// Package export_sandglass_workflow_guest is where the generated bindings look for the functions of
// the interface `guest`. They are the SDK's, which uses the bindings itself.
package export_sandglass_workflow_guest

import (
	"sandglass/internal/wit/sandglass_workflow_guest"
	"sandglass/internal/wit/sandglass_workflow_types"
	"sandglass/internal/wit/types"
)

type (
	payload = sandglass_workflow_types.Payload
	failure = []sandglass_workflow_types.FailureLink
)

// The SDK sets these before the first call.
var (
	Definitions    func() []sandglass_workflow_types.Definition
	Activate       func(occurred sandglass_workflow_guest.Event)
	Query          func(name string, arguments []payload, header []types.Tuple2[string, payload]) types.Result[payload, failure]
	ValidateUpdate func(requested sandglass_workflow_guest.Update) types.Result[types.Unit, failure]
)
