package etcd

import (
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
	return level >= zapcore.WarnLevel
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
	args := make([]any, 0, len(encoder.Fields))
	for name, value := range encoder.Fields {
		args = append(args, slog.Any(name, value))
	}
	message := "etcd client: " + e.Message
	switch {
	case e.Level <= zapcore.WarnLevel:
		b.logger.Debug(message, args...)
	case e.Level == zapcore.ErrorLevel:
		b.logger.Warn(message, args...)
	default:
		b.logger.Error(message, args...)
	}
	return nil
}

// Sync implements zapcore.Core.
func (b *bridge) Sync() error { return nil }
