package etcdtest

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Versions of the etcd server that tests run against.
const (
	// V37 is the default: the release line that the driver's client belongs to.
	V37 = "v3.7.3"
	// V36 is the release line before, still the most widely run.
	V36 = "v3.6.16"
)

// Each version is a module of its own, pinned by its go.sum, that never enters
// the graph of Holdfast. The files end in .txt because a folder with a go.mod
// can't be embedded.
//
//go:embed server
var modules embed.FS

// Versions returns the versions that [Binary] can build, newest first.
func Versions() []string { return []string{V37, V36} }

type pin struct{ mod, sum []byte }

func pinOf(version string) (pin, error) {
	if !slices.Contains(Versions(), version) {
		return pin{}, fmt.Errorf("etcdtest: no etcd %q: use one of %s", version, strings.Join(Versions(), ", "))
	}
	mod, err := fs.ReadFile(modules, path.Join("server", version, "go.mod.txt"))
	if err != nil {
		return pin{}, fmt.Errorf("etcdtest: module of etcd %s: %w", version, err)
	}
	sum, err := fs.ReadFile(modules, path.Join("server", version, "go.sum.txt"))
	if err != nil {
		return pin{}, fmt.Errorf("etcdtest: checksums of etcd %s: %w", version, err)
	}
	return pin{mod: mod, sum: sum}, nil
}
