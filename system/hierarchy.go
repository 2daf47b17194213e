package system

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/prometheus/procfs"
)

// place is where a cgroup is found on disk: its own folder, then those of its
// parents as far as they are mounted.
type place struct {
	v2   bool
	dirs []string
	err  error // why there is none
}

// hierarchy knows where the groups of this process are. A process may be moved, so
// /proc/self/cgroup is read each time, and the mounts only when that has changed.
type hierarchy struct {
	root    string
	groups  []procfs.Cgroup
	located bool

	quota, usage, memory, set place
	unified                   place // version 2, whatever controllers it has
}

// locate finds the groups of this process. Errors say that it has none at all.
func (h *hierarchy) locate(fs procfs.FS) error {
	self, err := fs.Self()
	if err != nil {
		h.located = false
		return err
	}
	groups, err := self.Cgroups()
	if err != nil {
		h.located = false
		return err
	}
	if h.located && reflect.DeepEqual(groups, h.groups) {
		return nil
	}
	h.located = false
	mounts, err := fs.GetMounts()
	if err != nil {
		return err
	}
	h.groups = groups
	h.quota, h.usage = h.find(mounts, "cpu"), h.find(mounts, "cpuacct")
	h.memory, h.set = h.find(mounts, "memory"), h.find(mounts, "cpuset")
	h.unified = h.find(mounts, "")
	if h.usage.err != nil && h.memory.err != nil {
		return h.memory.err
	}
	h.located = true
	return nil
}

// version says which version counts CPU and memory.
func (h *hierarchy) version() string {
	name := map[bool]string{false: "v1", true: "v2"}
	switch {
	case h.usage.err != nil:
		return name[h.memory.v2]
	case h.memory.err != nil || h.usage.v2 == h.memory.v2:
		return name[h.usage.v2]
	}
	return "hybrid"
}

// find returns the place of a controller, which is in a hierarchy of version 1 if
// one has it, and otherwise in that of version 2; "" is the latter.
func (h *hierarchy) find(mounts []*procfs.MountInfo, controller string) place {
	group, kind := -1, ""
	for i, g := range h.groups {
		switch {
		case controller != "" && slices.Contains(g.Controllers, controller):
			group, kind = i, "cgroup"
		case g.HierarchyID == 0 && len(g.Controllers) == 0 && group < 0:
			group, kind = i, "cgroup2"
		}
	}
	if group < 0 {
		return place{err: fmt.Errorf("the process is in no cgroup with the controller %q", controller)}
	}
	err := fmt.Errorf("no file system of the type %s is mounted for the controller %q", kind, controller)
	for _, m := range mounts {
		if _, has := m.SuperOptions[controller]; m.FSType != kind || kind == "cgroup" && !has {
			continue
		}
		dirs, bad := foldersOf(m.Root, filepath.Join(h.root, m.MountPoint), h.groups[group].Path)
		if bad != nil {
			err = bad
			continue
		}
		if _, bad := os.Stat(dirs[0]); bad != nil {
			err = bad
			continue
		}
		return place{v2: kind == "cgroup2", dirs: dirs}
	}
	return place{err: err}
}

var errOutside = errors.New("the cgroup lies outside of what is mounted")

// foldersOf returns the folders of a group and of its parents. Its name is relative to
// the root of the cgroup namespace, and so is what of the hierarchy is mounted: of a
// container without a namespace of its own, that is its own group alone.
func foldersOf(mounted, point, group string) ([]string, error) {
	if escapes(mounted) || escapes(group) || !path.IsAbs(mounted) || !path.IsAbs(group) {
		return nil, errOutside
	}
	mounted, group = path.Clean(mounted), path.Clean(group)
	inside, ok := strings.CutPrefix(group, mounted)
	if !ok || inside != "" && mounted != "/" && inside[0] != '/' {
		return nil, errOutside
	}
	inside = path.Clean("/" + inside)
	var dirs []string
	for {
		dirs = append(dirs, filepath.Join(point, filepath.FromSlash(inside)))
		if inside == "/" {
			return dirs, nil
		}
		inside = path.Dir(inside)
	}
}

// escapes reports whether a path leads out of the namespace.
func escapes(p string) bool { return slices.Contains(strings.Split(p, "/"), "..") }
