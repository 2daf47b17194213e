package badger

import (
	"fmt"
	"log/slog"
	"strings"
)

// bridge tells the store's logger what Badger says. Badger's own remarks on its
// work are dropped; of the rest the first line is kept, because its messages may
// go on with a dump of what was to be written.
type bridge struct{ log *slog.Logger }

func (b bridge) Errorf(format string, args ...any) {
	b.log.Warn("badger: "+firstLine(format, args), "level", "error")
}

func (b bridge) Warningf(format string, args ...any) {
	b.log.Warn("badger: "+firstLine(format, args), "level", "warning")
}

func (b bridge) Infof(string, ...any)  {}
func (b bridge) Debugf(string, ...any) {}

func firstLine(format string, args []any) string {
	const longest = 200
	line, _, _ := strings.Cut(strings.TrimSpace(fmt.Sprintf(format, args...)), "\n")
	if len(line) > longest {
		line = line[:longest] + "..."
	}
	return strings.ToValidUTF8(line, "?")
}
