package sandglass

import (
	"fmt"
	"slices"
	"time"

	"sandglass/internal/wit/sandglass_workflow_attributes"
	"sandglass/internal/wit/sandglass_workflow_info"
	"sandglass/internal/wit/types"
)

// Execution is the identity of a run.
type Execution struct {
	WorkflowID, RunID, WorkflowType, TaskQueue string
}

// Info returns the identity of this run.
func Info() Execution {
	told := sandglass_workflow_info.GetExecution()
	return Execution{told.WorkflowId, told.RunId, told.WorkflowType, told.TaskQueue}
}

// HistorySize is how large the run's history is, and whether the host advises to continue as new.
type HistorySize struct {
	Length, Bytes        uint64
	SuggestContinueAsNew bool
}

// History returns how large the history is.
func History() HistorySize {
	told := sandglass_workflow_info.GetHistory()
	return HistorySize{told.Length, told.Bytes, told.SuggestContinueAsNew}
}

// Chain is where a run stands among those of its workflow id that follow each other.
type Chain struct {
	// The first run, and the run before this one; empty if there is none.
	FirstRunID, ContinuedFrom string
	// Which attempt of the retry policy this run is, from 1.
	Attempt uint32
	// The cron schedule; empty if there is none.
	Cron string
	// The failure of the run before this one; nil if that did not fail.
	LastFailure *Failure

	lastResult types.Option[payload]
}

// RunChain returns where this run stands.
func RunChain() Chain {
	told := sandglass_workflow_info.GetChain()
	chain := Chain{FirstRunID: told.FirstRunId, Attempt: told.Attempt, lastResult: told.LastResult}
	if told.ContinuedFrom.IsSome() {
		chain.ContinuedFrom = told.ContinuedFrom.Some()
	}
	if told.Cron.IsSome() {
		chain.Cron = told.Cron.Some()
	}
	if told.LastFailure.IsSome() {
		chain.LastFailure = &Failure{links: told.LastFailure.Some()}
	}
	return chain
}

// LastResult reads the value of the last run that returned one; false if none has.
func (c Chain) LastResult(into any) (bool, error) {
	if !c.lastResult.IsSome() {
		return false, nil
	}
	return true, decode(c.lastResult.Some(), into, "the last result")
}

// Patched tells whether the code is to go the way of a patch: a change that runs begun before it must
// not see. Yes in new runs, where it is recorded.
func Patched(id string) bool {
	return sandglass_workflow_info.Patched(id)
}

// DeprecatePatch says that no run is left that has to go the old way.
func DeprecatePatch(id string) {
	sandglass_workflow_info.DeprecatePatch(id)
}

// RandomBytes returns random bytes of the run. crypto/rand and math/rand are the run's as well, but
// draw from a stream of their own.
func RandomBytes(size int) []byte {
	return sandglass_workflow_info.RandomBytes(uint32(size))
}

func sortedNames[V any](entries map[string]V) []string {
	names := make([]string, 0, len(entries))
	for name := range entries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func encodeMap(entries map[string]any) ([]types.Tuple2[string, payload], error) {
	var made []types.Tuple2[string, payload]
	for _, name := range sortedNames(entries) {
		value, err := encode(entries[name])
		if err != nil {
			return nil, err
		}
		made = append(made, types.Tuple2[string, payload]{F0: name, F1: value})
	}
	return made, nil
}

// UpsertMemo sets entries of the memo; one that is nil is removed. Others stay.
func UpsertMemo(entries map[string]any) error {
	encoded, err := encodeMap(entries)
	if err != nil {
		return err
	}
	made := make([]types.Tuple2[string, types.Option[payload]], len(encoded))
	for i, entry := range encoded {
		made[i].F0 = entry.F0
		if entries[entry.F0] != nil {
			made[i].F1 = types.Some(entry.F1)
		}
	}
	sandglass_workflow_attributes.UpsertMemo(made)
	return nil
}

// Memo reads an entry of the memo; false if it is not there.
func Memo(name string, into any) (bool, error) {
	for _, entry := range sandglass_workflow_attributes.GetMemo() {
		if entry.F0 == name {
			return true, decode(entry.F1, into, "the memo `"+name+"`")
		}
	}
	return false, nil
}

// UpsertSearchAttributes sets search attributes: a string is a keyword, a []string keywords; int,
// int64, float64, bool and time.Time are what they are. One that is nil is removed. Others stay. It
// panics if a value is of another type.
func UpsertSearchAttributes(entries map[string]any) {
	var made []types.Tuple2[string, types.Option[searchValue]]
	for _, name := range sortedNames(entries) {
		value := types.None[searchValue]()
		if entries[name] != nil {
			value = types.Some(searchValueOf(entries[name]))
		}
		made = append(made, types.Tuple2[string, types.Option[searchValue]]{F0: name, F1: value})
	}
	sandglass_workflow_attributes.UpsertSearchAttributes(made)
}

// SearchAttributes returns the search attributes as they are now.
func SearchAttributes() map[string]any {
	values := map[string]any{}
	for _, entry := range sandglass_workflow_attributes.GetSearchAttributes() {
		switch value := entry.F1; value.Tag() {
		case sandglass_workflow_attributes.SearchValueKeyword:
			values[entry.F0] = value.Keyword()
		case sandglass_workflow_attributes.SearchValueKeywordList:
			values[entry.F0] = value.KeywordList()
		case sandglass_workflow_attributes.SearchValueText:
			values[entry.F0] = value.Text()
		case sandglass_workflow_attributes.SearchValueInt:
			values[entry.F0] = value.Int()
		case sandglass_workflow_attributes.SearchValueDouble:
			values[entry.F0] = value.Double()
		case sandglass_workflow_attributes.SearchValueBoolean:
			values[entry.F0] = value.Boolean()
		case sandglass_workflow_attributes.SearchValueDatetime:
			values[entry.F0] = instant(value.Datetime())
		}
	}
	return values
}

type searchValue = sandglass_workflow_attributes.SearchValue

func searchValues(entries map[string]any) []types.Tuple2[string, searchValue] {
	var made []types.Tuple2[string, searchValue]
	for _, name := range sortedNames(entries) {
		made = append(made, types.Tuple2[string, searchValue]{F0: name, F1: searchValueOf(entries[name])})
	}
	return made
}

func searchValueOf(value any) searchValue {
	switch value := value.(type) {
	case string:
		return sandglass_workflow_attributes.MakeSearchValueKeyword(value)
	case []string:
		return sandglass_workflow_attributes.MakeSearchValueKeywordList(value)
	case int:
		return sandglass_workflow_attributes.MakeSearchValueInt(int64(value))
	case int64:
		return sandglass_workflow_attributes.MakeSearchValueInt(value)
	case float64:
		return sandglass_workflow_attributes.MakeSearchValueDouble(value)
	case bool:
		return sandglass_workflow_attributes.MakeSearchValueBoolean(value)
	case time.Time:
		return sandglass_workflow_attributes.MakeSearchValueDatetime(uint64(value.UnixMilli()))
	}
	panic(fmt.Sprintf("sandglass: a search attribute cannot be a %T", value))
}
