package etcd

import (
	"context"
	"log/slog"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// bridge hands what clientv3 logs to an slog.Logger. It drops everything below a
// warning, and hands warnings on as slog.LevelDebug: clientv3 writes one per failed
// try, where Holdfast logs changes of state and not each retry.
type bridge struct {
	logger *slog.Logger
	fields []zapcore.Field
}

func newZapLogger(logger *slog.Logger) *zap.Logger {
	return zap.New(&bridge{logger: logger})
}

// Enabled implements zapcore.LevelEnabler.
func (b *bridge) Enabled(level zapcore.Level) bool {
	return level >= zapcore.WarnLevel && b.logger.Enabled(context.Background(), slogLevel(level))
}

// With implements zapcore.Core.
func (b *bridge) With(fields []zapcore.Field) zapcore.Core {
	return &bridge{logger: b.logger, fields: slices.Concat(b.fields, fields)}
}

// Check implements zapcore.Core.
func (b *bridge) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !b.Enabled(e.Level) {
		return checked
	}
	return checked.AddCore(e, b)
}

// Write implements zapcore.Core.
func (b *bridge) Write(e zapcore.Entry, fields []zapcore.Field) error {
	encoder := zapcore.NewMapObjectEncoder()
	for _, f := range slices.Concat(b.fields, fields) {
		f.AddTo(encoder)
	}
	attrs := make([]slog.Attr, 0, len(encoder.Fields))
	for name, value := range encoder.Fields {
		attrs = append(attrs, slog.Any(name, value))
	}
	b.logger.LogAttrs(context.Background(), slogLevel(e.Level), "etcd client: "+e.Message, attrs...)
	return nil
}

// Sync implements zapcore.Core.
func (b *bridge) Sync() error { return nil }

func slogLevel(level zapcore.Level) slog.Level {
	switch {
	case level <= zapcore.WarnLevel:
		return slog.LevelDebug
	case level == zapcore.ErrorLevel:
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}
