package system

import "fmt"

// alarm tells whether a figure is beyond its threshold, without flapping.
type alarm struct {
	on     bool
	streak int // readings in a row that speak for the other state
}

// see takes a reading. One that is missing speaks for all being well, because
// nothing is known to be wrong.
func (a *alarm) see(value float64, known bool, threshold float64, t Thresholds) bool {
	against := known && value > threshold
	if a.on {
		against = !known || value < threshold-t.Margin
	}
	if !against {
		a.streak = 0
		return a.on
	}
	if a.streak++; a.streak >= t.Readings {
		a.on, a.streak = !a.on, 0
	}
	return a.on
}

// alarms are those of a sampler.
type alarms struct {
	thresholds Thresholds
	paths      []string
	disks      []alarm // of paths

	hostCPU, groupCPU, hostMemory, groupMemory alarm
}

func newAlarms(opts Options) *alarms {
	return &alarms{thresholds: opts.Thresholds, paths: opts.Disks, disks: make([]alarm, len(opts.Disks))}
}

// ratio is a figure that may be unknown.
type ratio struct {
	value float64
	known bool
}

func (c *CPU) ratio() (r ratio) {
	if c != nil {
		r.value, r.known = c.Ratio()
	}
	return r
}

func (m *Memory) ratio() (r ratio) {
	if m != nil {
		r.value, r.known = m.Ratio()
	}
	return r
}

// judge takes the readings of a sample and says what is beyond its threshold.
func (a *alarms) judge(s *Sample) []string {
	var reasons []string
	judge := func(one *alarm, r ratio, threshold float64, what string) {
		switch {
		case threshold < 0 || !one.see(r.value, r.known, threshold, a.thresholds):
		case r.known:
			reasons = append(reasons, fmt.Sprintf("%s: %.1f %%, the threshold is %.4g %%", what, r.value*100, threshold*100))
		default:
			reasons = append(reasons, what+": was beyond its threshold, and is not known now")
		}
	}
	judge(&a.hostCPU, s.Host.CPU.ratio(), a.thresholds.CPU, "CPU of the host")
	judge(&a.groupCPU, s.Cgroup.CPU.ratio(), a.thresholds.CPU, "CPU of the cgroup")
	judge(&a.hostMemory, s.Host.Memory.ratio(), a.thresholds.Memory, "memory of the host")
	judge(&a.groupMemory, s.Cgroup.Memory.ratio(), a.thresholds.Memory, "memory of the cgroup")
	for i, path := range a.paths {
		var r ratio
		for _, d := range s.Disks {
			if d.Path == path {
				r = ratio{d.UsedRatio, true}
			}
		}
		judge(&a.disks[i], r, a.thresholds.Disk, "disk "+path)
	}
	return reasons
}
