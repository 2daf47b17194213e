//go:build linux

package system

import (
	"testing"
	"time"
)

// TestReader_ReadsThisMachine checks that figures of a real kernel are plausible.
func TestReader_ReadsThisMachine(t *testing.T) {
	opts, err := Options{}.normalize()
	if err != nil {
		t.Fatal(err)
	}
	r := newReader(opts)
	first := r.read(t.Context())
	if first.Host.CPU != nil || lacking(first, "host.cpu") != errNotYet.Error() {
		t.Errorf("the first sample has CPU %+v, missing %+v", first.Host.CPU, first.Missing)
	}
	var s *Sample
	for begun := time.Now(); time.Since(begun) < 10*time.Second; { // until the kernel has counted something
		if s = r.read(t.Context()); s.Host.CPU != nil {
			break
		}
	}
	t.Logf("cgroup %q, took %v, missing %+v", s.CgroupVersion, s.Took, s.Missing)
	if c := s.Host.CPU; c == nil || c.LimitCores < 1 || c.UsedCores < 0 || c.UsedCores > c.LimitCores || c.Limited {
		t.Errorf("CPU of the host: %+v", c)
	}
	if m := s.Host.Memory; m == nil || m.LimitBytes < 1<<26 || m.UsedBytes == 0 || m.UsedBytes >= m.LimitBytes {
		t.Errorf("memory of the host: %+v", m)
	}
	if s.Load == nil || s.Load.One < 0 || s.Load.One > 1e5 {
		t.Errorf("load: %+v", s.Load)
	}
	if len(s.Disks) != 1 || s.Disks[0].SizeBytes == 0 || s.Disks[0].UsedRatio < 0 || s.Disks[0].UsedRatio > 1 {
		t.Errorf("disks: %+v", s.Disks)
	}
	if c := s.Cgroup.CPU; c != nil && (c.UsedCores < 0 || c.LimitCores <= 0 || c.LimitCores > s.Host.CPU.LimitCores) {
		t.Errorf("CPU of the cgroup: %+v", c)
	}
	if m := s.Cgroup.Memory; m != nil && (m.LimitBytes == 0 || m.LimitBytes > s.Host.Memory.LimitBytes) {
		t.Errorf("memory of the cgroup: %+v", m)
	}
	for _, p := range []*Pressure{s.Host.Pressure, s.Cgroup.Pressure} {
		if p != nil && (p.CPU < 0 || p.CPU > 1 || p.Memory > 1 || p.IO > 1) {
			t.Errorf("pressure: %+v", p)
		}
	}
	if s.CgroupVersion == "" && lacking(s, "cgroup") == "" {
		t.Error("there is no cgroup, and no reason")
	}
}
