package sandglass

import (
	"log/slog"

	export "sandglass/internal/guest/export_sandglass_workflow_guest"
	"sandglass/internal/pump"
	guest "sandglass/internal/wit/sandglass_workflow_guest"
	wire "sandglass/internal/wit/sandglass_workflow_types"
	"sandglass/internal/wit/types"
	_ "sandglass/internal/wit/wit_exports" // what the host calls
)

type links = []wire.FailureLink

func init() {
	slog.SetDefault(slog.New(handler{target: "workflow"}))
	export.Definitions = func() []wire.Definition {
		defer fatal("main")
		register()
		made := make([]wire.Definition, len(names))
		for i, name := range names {
			made[i] = wire.Definition{Name: name}
		}
		return made
	}
	export.Activate = func(occurred guest.Event) {
		defer fatal("the SDK")
		register()
		current.activate(occurred)
	}
	export.Query = func(name string, arguments []payload, _ []types.Tuple2[string, payload]) types.Result[payload, links] {
		defer fatal("a query")
		of, known := current.queries[name]
		if !known {
			return types.Err[payload](toLinks(unknown("query", name, sortedNames(current.queries))))
		}
		value, err := of.answer(current.root.ctx, arguments)
		if err != nil {
			return types.Err[payload](toLinks(err))
		}
		return types.Ok[payload, links](value)
	}
	export.ValidateUpdate = func(requested guest.Update) types.Result[types.Unit, links] {
		defer fatal("a validator")
		of, known := current.updates[requested.Name]
		err := error(unknown("update", requested.Name, sortedNames(current.updates)).NonRetryable())
		if known {
			err = of.accepts(requested.Arguments)
		}
		if err != nil {
			return types.Err[types.Unit](toLinks(err))
		}
		return types.Ok[types.Unit, links](types.Unit{})
	}
}

var registered bool

// register lets main register the workflows, at the first call.
func register() {
	if !registered {
		registered = true
		pump.Main()
	}
}
