package system

import (
	"encoding/json"
	"time"
)

// document is a sample as a collector gets it. What is not known is not there.
type document struct {
	Version  int               `json:"version"`
	Labels   map[string]string `json:"labels,omitempty"`
	TakenAt  time.Time         `json:"taken_at"`
	Degraded bool              `json:"degraded"`
	Reasons  []string          `json:"reasons,omitempty"`
	Host     *documentScope    `json:"host,omitempty"`
	Cgroup   *documentScope    `json:"cgroup,omitempty"`
	Load     *documentLoad     `json:"load,omitempty"`
	Disks    []documentDisk    `json:"disks,omitempty"`
	Missing  map[string]string `json:"missing,omitempty"`
}

type documentScope struct {
	Version          string            `json:"version,omitempty"`
	CPURatio         *float64          `json:"cpu_ratio,omitempty"`
	CPUUsedCores     *float64          `json:"cpu_used_cores,omitempty"`
	CPULimitCores    float64           `json:"cpu_limit_cores,omitempty"`
	ThrottledSeconds float64           `json:"cpu_throttled_seconds,omitempty"`
	MemoryRatio      *float64          `json:"memory_ratio,omitempty"`
	MemoryUsedBytes  *uint64           `json:"memory_used_bytes,omitempty"`
	MemoryLimitBytes uint64            `json:"memory_limit_bytes,omitempty"`
	Pressure         *documentPressure `json:"pressure_ratio,omitempty"`
}

type documentPressure struct {
	CPU    float64 `json:"cpu"`
	Memory float64 `json:"memory"`
	IO     float64 `json:"io"`
}

type documentLoad struct {
	One     float64 `json:"1m"`
	Five    float64 `json:"5m"`
	Fifteen float64 `json:"15m"`
}

type documentDisk struct {
	Path      string  `json:"path"`
	UsedRatio float64 `json:"used_ratio"`
	UsedBytes uint64  `json:"used_bytes"`
	SizeBytes uint64  `json:"size_bytes"`
}

// document writes a sample for a collector.
func (s *Sample) document(labels map[string]string) ([]byte, error) {
	d := document{Version: 1, Labels: labels, TakenAt: s.TakenAt.UTC(), Degraded: s.Degraded(), Reasons: s.Reasons}
	d.Host, d.Cgroup = s.Host.document(), s.Cgroup.document()
	if d.Cgroup != nil {
		d.Cgroup.Version = s.CgroupVersion
	}
	if l := s.Load; l != nil {
		d.Load = &documentLoad{l.One, l.Five, l.Fifteen}
	}
	for _, one := range s.Disks {
		d.Disks = append(d.Disks, documentDisk(one))
	}
	for _, m := range s.Missing {
		if d.Missing == nil {
			d.Missing = make(map[string]string)
		}
		d.Missing[m.Part] = m.Reason
	}
	return json.Marshal(d)
}

func (s Scope) document() *documentScope {
	if s == (Scope{}) {
		return nil
	}
	d := &documentScope{}
	if c := s.CPU; c != nil {
		d.CPUUsedCores, d.CPULimitCores, d.ThrottledSeconds = &c.UsedCores, c.LimitCores, c.Throttled.Seconds()
		if ratio, known := c.Ratio(); known {
			d.CPURatio = &ratio
		}
	}
	if m := s.Memory; m != nil {
		d.MemoryUsedBytes, d.MemoryLimitBytes = &m.UsedBytes, m.LimitBytes
		if ratio, known := m.Ratio(); known {
			d.MemoryRatio = &ratio
		}
	}
	if p := s.Pressure; p != nil {
		d.Pressure = &documentPressure{p.CPU, p.Memory, p.IO}
	}
	return d
}
