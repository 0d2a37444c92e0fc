package sandglass

import (
	"context"
	"log/slog"
	"strings"

	logs "sandglass/internal/wit/sandglass_workflow_log"
)

// handler writes records of log/slog to the run's log. The attribute `target` names the part of the
// program that a line is of.
type handler struct {
	prefix     string
	attributes string
	target     string
}

func (handler) Enabled(context.Context, slog.Level) bool {
	return true
}

func (h handler) Handle(_ context.Context, record slog.Record) error {
	record.Attrs(func(attribute slog.Attr) bool {
		h = h.with(attribute)
		return true
	})
	logs.Write(level(record.Level), h.target, record.Message+h.attributes)
	return nil
}

func (h handler) with(attribute slog.Attr) handler {
	value := attribute.Value.Resolve()
	switch {
	case attribute.Key == "target" && h.prefix == "":
		h.target = value.String()
	case value.Kind() == slog.KindGroup:
		for _, inner := range value.Group() {
			inner.Key = strings.TrimPrefix(attribute.Key+"."+inner.Key, ".")
			h = h.with(inner)
		}
	default:
		h.attributes += " " + h.prefix + attribute.Key + "=" + value.String()
	}
	return h
}

func (h handler) WithAttrs(attributes []slog.Attr) slog.Handler {
	for _, attribute := range attributes {
		h = h.with(attribute)
	}
	return h
}

func (h handler) WithGroup(name string) slog.Handler {
	h.prefix += name + "."
	return h
}

func level(of slog.Level) uint8 {
	switch {
	case of < slog.LevelDebug:
		return uint8(logs.LevelTrace)
	case of < slog.LevelInfo:
		return uint8(logs.LevelDebug)
	case of < slog.LevelWarn:
		return uint8(logs.LevelInfo)
	case of < slog.LevelError:
		return uint8(logs.LevelWarn)
	}
	return uint8(logs.LevelError)
}
