package health

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// DiskOptions refine [Disk]. The zero value degrades at 90 % and never fails.
type DiskOptions struct {
	// Degraded is the used share, 0 to 1, above which the check is degraded.
	// Default 0.9.
	Degraded float64
	// Down is the used share, 0 to 1, above which the check is DOWN. Default 0: never,
	// because a full disk is rarely a reason to serve nothing at all.
	Down float64
}

// Disk checks how full the file system is that holds path: the share of its space,
// and of its inodes where it counts them, that the program can't use. Details are
// "used" (0 to 1), "free" and "total" in bytes. On systems other than Linux and
// macOS it is UP with "unsupported" as a detail.
//
// Shares that are none are refused by [Set.Register].
func Disk(name, path string, opts DiskOptions) Checker {
	if opts.Degraded == 0 {
		opts.Degraded = 0.9
	}
	return disk{name, path, opts, spaceOf}
}

type disk struct {
	name, path string
	opts       DiskOptions
	space      func(path string) (space, error)
}

// space is how much room there is on a file system: in bytes, and in inodes where
// it has a number of those.
type space struct{ total, free, inodes, freeInodes uint64 }

// errUnsupported: this system does not say how full its disks are.
var errUnsupported = errors.New("unsupported")

func (d disk) Name() string { return d.name }

func (d disk) mistake() error {
	for _, share := range []float64{d.opts.Degraded, d.opts.Down} {
		if math.IsNaN(share) || share < 0 || share > 1 {
			return fmt.Errorf("DiskOptions has a share of %v; give one from 0 to 1", share)
		}
	}
	return nil
}

func (d disk) Check(context.Context) Result {
	s, err := d.space(d.path)
	switch {
	case errors.Is(err, errUnsupported):
		return Result{Details: map[string]any{"unsupported": true}}
	case err != nil:
		return Result{Err: err}
	}
	used := s.used()
	r := Result{Details: map[string]any{"used": math.Round(used*1000) / 1000, "free": s.free, "total": s.total}}
	text := fmt.Sprintf("%.1f %% are used", used*100)
	switch {
	case d.opts.Down > 0 && used > d.opts.Down:
		r.Err, r.Reasons = errors.New(text), []string{text}
	case used > d.opts.Degraded:
		r.Degraded, r.Reasons = true, []string{text}
	}
	return r
}

// used is the greater of the shares of bytes and of inodes.
func (s space) used() float64 {
	share := func(total, free uint64) float64 {
		if total == 0 {
			return 0
		}
		return 1 - float64(min(free, total))/float64(total)
	}
	return max(share(s.total, s.free), share(s.inodes, s.freeInodes))
}
