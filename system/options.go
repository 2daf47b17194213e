package system

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"
	"unicode/utf8"
)

const (
	defaultInterval = 15 * time.Second
	shortest        = 100 * time.Millisecond // the kernel counts CPU time by 10 ms
	firstInterval   = time.Second
)

// Options refine [New]. The zero value works.
type Options struct {
	// Name is that of the health check. Default "system".
	Name string
	// Interval is the time from sample to sample, at least 100 ms. The second one is
	// taken after 1 s, if that is sooner, since CPU figures need two. Default 15 s.
	Interval time.Duration
	// Disks are paths on the file systems to watch. The slice is copied, and a path that
	// is there twice counts once. Default "/"; an empty slice that is not nil is none.
	Disks []string
	// Thresholds say from where on the system is degraded.
	Thresholds Thresholds
	// Push sends samples to a collector. Default: it does not.
	Push PushOptions
	// Root is a folder that stands for "/" in what is read of proc and sys/fs/cgroup, for
	// tests; Disks are read as they are. With a Root other systems are supported too.
	// Default "/".
	Root string
	// Logger gets one line per change: degraded or not, a part that is missing or back,
	// a collector that fails or works. Default slog.Default().
	Logger *slog.Logger
}

// Thresholds say from where on the system is degraded. They apply to the host and to
// the cgroup, whichever is worse off. The zero value is CPU above 80 % and disks
// above 90 %.
type Thresholds struct {
	// CPU is a share of the processors, 0 to 1. Default 0.8; negative is none.
	CPU float64
	// Memory is a share of the memory, 0 to 1. Default 0, which is none, like all that
	// is negative: many programs fill what they are given.
	Memory float64
	// Disk is a share of the bytes or inodes, 0 to 1. Default 0.9; negative is none.
	Disk float64
	// Margin is how far below its threshold a figure must fall before it is well again.
	// Default 0.05; negative is 0.
	Margin float64
	// Readings is how many in a row must be above a threshold before the system is
	// degraded, and below it by Margin before it is well again. Default 2.
	Readings int
}

// normalize fills in defaults.
func (o Options) normalize() (Options, error) {
	if o.Name == "" {
		o.Name = "system"
	}
	if o.Interval == 0 {
		o.Interval = defaultInterval
	}
	if o.Interval < shortest {
		return o, fmt.Errorf("Options.Interval is %v; give at least %v, or 0 for the default", o.Interval, shortest)
	}
	if o.Disks == nil {
		o.Disks = []string{"/"}
	}
	o.Disks = slices.Clone(o.Disks)
	seen := make(map[string]bool)
	o.Disks = slices.DeleteFunc(o.Disks, func(path string) bool {
		again := seen[path]
		seen[path] = true
		return again
	})
	for _, path := range o.Disks {
		if path == "" || !utf8.ValidString(path) {
			return o, fmt.Errorf("Options.Disks holds %q, which is no path", path)
		}
	}
	if o.Root == "" {
		o.Root = "/"
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	var err error
	if o.Thresholds, err = o.Thresholds.normalize(); err != nil {
		return o, err
	}
	o.Push, err = o.Push.normalize()
	return o, err
}

func (t Thresholds) normalize() (Thresholds, error) {
	for _, f := range []struct {
		value    *float64
		fallback float64
		name     string
	}{
		{&t.CPU, 0.8, "CPU"}, {&t.Memory, -1, "Memory"}, {&t.Disk, 0.9, "Disk"}, {&t.Margin, 0.05, "Margin"},
	} {
		switch {
		case math.IsNaN(*f.value) || *f.value > 1:
			return t, fmt.Errorf("Options.Thresholds.%s is %v; give a share from 0 to 1", f.name, *f.value)
		case *f.value == 0:
			*f.value = f.fallback
		}
	}
	if t.Readings < 0 {
		return t, errors.New("Options.Thresholds.Readings is negative; give a positive number, or 0 for the default")
	}
	if t.Readings == 0 {
		t.Readings = 2
	}
	t.Margin = max(t.Margin, 0)
	return t, nil
}
