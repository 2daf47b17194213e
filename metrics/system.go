package metrics

import "github.com/holdfast-go/holdfast/system"

// system shows the newest sample, and of it what there is.
func (c *Collector) system(s *scrape) {
	if c.opts.System == nil {
		return
	}
	s.flag(c.systemSupported, c.opts.System.Supported(), nil)
	if st, pushes := c.opts.System.Pushes(); pushes {
		s.flag(c.systemPushUp, st.Err == nil && st.Sent > 0, nil)
		s.send(c.systemPushes, float64(st.Sent), nil)
		s.send(c.systemPushErrors, float64(st.Failed), nil)
	}
	last, ok := c.opts.System.Sample()
	if !ok {
		return
	}
	s.moment(c.systemSampled, last.TakenAt, nil)
	s.send(c.systemDuration, last.Took.Seconds(), nil)
	s.flag(c.systemDegraded, last.Degraded(), nil)
	s.send(c.systemMissing, float64(len(last.Missing)), nil)
	c.scope(s, "host", last.Host)
	c.scope(s, "cgroup", last.Cgroup)
	if last.Cgroup.CPU != nil {
		s.send(c.systemThrottled, last.Cgroup.CPU.Throttled.Seconds(), labels("scope", "cgroup"))
	}
	if l := last.Load; l != nil {
		s.send(c.systemLoad, l.One, labels("window", "1m"))
		s.send(c.systemLoad, l.Five, labels("window", "5m"))
		s.send(c.systemLoad, l.Fifteen, labels("window", "15m"))
	}
	for _, d := range last.Disks { // each path is there once
		of := labels("path", d.Path)
		s.send(c.systemDiskRatio, d.UsedRatio, of)
		s.send(c.systemDiskUsed, float64(d.UsedBytes), of)
		s.send(c.systemDiskSize, float64(d.SizeBytes), of)
	}
}

// scope shows the host or the cgroup.
func (c *Collector) scope(s *scrape, name string, sc system.Scope) {
	of := labels("scope", name)
	if one := sc.CPU; one != nil {
		if ratio, known := one.Ratio(); known {
			s.send(c.systemCPURatio, ratio, of)
			s.send(c.systemCoresLimit, one.LimitCores, of)
		}
		s.send(c.systemCoresUsed, one.UsedCores, of)
	}
	if one := sc.Memory; one != nil {
		if ratio, known := one.Ratio(); known {
			s.send(c.systemMemoryRatio, ratio, of)
			s.send(c.systemMemoryLimit, float64(one.LimitBytes), of)
		}
		s.send(c.systemMemoryUsed, float64(one.UsedBytes), of)
	}
	if p := sc.Pressure; p != nil {
		s.send(c.systemPressure, p.CPU, labels("resource", "cpu", "scope", name))
		s.send(c.systemPressure, p.Memory, labels("resource", "memory", "scope", name))
		s.send(c.systemPressure, p.IO, labels("resource", "io", "scope", name))
	}
}
