package system

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/holdfast-go/holdfast/health"
)

var _ health.Checker = (*Sampler)(nil)

// Name implements health.Checker; it is Options.Name.
func (s *Sampler) Name() string { return s.opts.Name }

// Check implements health.Checker. It shows the newest sample and takes none. The
// result is UP, and degraded while anything is beyond its threshold or samples have
// stopped coming; it is never DOWN. On a system that is not supported it has
// "unsupported" as its only detail.
func (s *Sampler) Check(context.Context) health.Result {
	if !s.Supported() {
		return health.Result{Details: map[string]any{"unsupported": true}}
	}
	last, ok := s.Sample()
	if !ok {
		return health.Result{Details: map[string]any{"pending": true}}
	}
	r := health.Result{Degraded: last.Degraded(), Reasons: last.Reasons, Details: last.details()}
	// Two that are late may be a process that was paused.
	if age := time.Since(last.TakenAt); age > 3*s.opts.Interval && s.ctx.Err() == nil {
		r.Degraded = true
		r.Reasons = append([]string{fmt.Sprintf("the last sample is %v old", age.Round(time.Second))}, r.Reasons...)
	}
	return r
}

func (s Sample) details() map[string]any {
	d := map[string]any{"taken_at": s.TakenAt.UTC().Format(time.RFC3339)}
	if host := s.Host.details(); len(host) > 0 {
		d["host"] = host
	}
	if group := s.Cgroup.details(); len(group) > 0 {
		group["version"] = s.CgroupVersion
		d["cgroup"] = group
	}
	if s.Load != nil {
		d["load"] = []float64{s.Load.One, s.Load.Five, s.Load.Fifteen}
	}
	if len(s.Disks) > 0 {
		disks := make(map[string]any)
		for _, one := range s.Disks {
			disks[one.Path] = rounded(one.UsedRatio)
		}
		d["disks"] = disks
	}
	if len(s.Missing) > 0 {
		missing := make(map[string]any)
		for _, m := range s.Missing {
			missing[m.Part] = m.Reason
		}
		d["missing"] = missing
	}
	return d
}

func (s Scope) details() map[string]any {
	d := make(map[string]any)
	if c := s.CPU; c != nil {
		if ratio, known := c.Ratio(); known {
			d["cpu"] = rounded(ratio)
		}
		d["cores"] = rounded(c.LimitCores)
		if c.ThrottledRatio > 0 {
			d["throttled"] = rounded(c.ThrottledRatio)
		}
	}
	if m := s.Memory; m != nil {
		if ratio, known := m.Ratio(); known {
			d["memory"] = rounded(ratio)
		}
		d["memory_used_bytes"], d["memory_limit_bytes"] = m.UsedBytes, m.LimitBytes
	}
	return d
}

func rounded(v float64) float64 { return math.Round(v*1000) / 1000 }
