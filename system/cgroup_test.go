package system

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// nested is a group of version 2 so many folders deep, as the host sees it.
func nested(depth int) map[string]string {
	files := map[string]string{"proc/42/mountinfo": v2["proc/42/mountinfo"]}
	dir, group := "sys/fs/cgroup", ""
	for i := range depth {
		group += fmt.Sprintf("/g%d", i)
		for name, content := range map[string]string{
			"cpu.max": "max 100000\n", "cpu.stat": "usage_usec 1000000\n", "memory.max": "max\n",
			"memory.current": "536870912\n", "memory.stat": v2["sys/fs/cgroup/memory.stat"],
		} {
			files[dir+group+"/"+name] = content
		}
	}
	files["proc/42/cgroup"] = "0::" + group + "\n"
	files[dir+"/cpu.stat"] = "usage_usec 5000000\n"
	return files
}

// second is what a second of the machine adds: the container used a quarter of a
// processor, and the host one.
func second(m *machine, usage map[string]string) {
	m.put(map[string]string{"proc/stat": stat(200, 200)})
	m.put(usage)
}

// TestReader_FollowsTheGroupOfTheProcess: versions, namespaces, parents and what
// there may be instead of a limit.
func TestReader_FollowsTheGroupOfTheProcess(t *testing.T) {
	needsLinks(t)
	usedV2 := map[string]string{"sys/fs/cgroup/cpu.stat": "usage_usec 1250000\nnr_periods 20\nnr_throttled 6\nthrottled_usec 3000000\n"}
	usedV1 := map[string]string{
		"sys/fs/cgroup/cpu,cpuacct/cpuacct.usage": "1250000000\n",
		"sys/fs/cgroup/cpu,cpuacct/cpu.stat":      "nr_periods 20\nnr_throttled 6\nthrottled_time 3000000000\n",
	}
	deep := map[string]string{"sys/fs/cgroup/g0/g1/g2/cpu.stat": "usage_usec 1250000\n"}
	hybrid := maps.Clone(v1) // memory in version 2
	maps.Copy(hybrid, map[string]string{
		"proc/42/cgroup":                         "3:cpu,cpuacct:/docker/abc\n0::/a\n",
		"proc/42/mountinfo":                      v1["proc/42/mountinfo"] + "36 31 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
		"sys/fs/cgroup/unified/a/memory.current": "536870912\n", "sys/fs/cgroup/unified/a/memory.max": "1073741824\n",
		"sys/fs/cgroup/unified/a/memory.stat": "inactive_file 268435456\n",
	})
	cpu := func(limit float64, limited bool) *CPU {
		return &CPU{UsedCores: 0.25, LimitCores: limit, Limited: limited}
	}
	throttled := func(limit float64, limited bool) *CPU {
		c := cpu(limit, limited)
		c.Throttled, c.ThrottledRatio = 3*time.Second, 0.5
		return c
	}
	half := &Memory{UsedBytes: gibibyte / 4, LimitBytes: gibibyte, Limited: true}
	free := &Memory{UsedBytes: gibibyte / 4, LimitBytes: 8 * gibibyte}
	for name, row := range map[string]struct {
		files, more, used map[string]string
		version           string
		cpu               *CPU
		memory            *Memory
		missing           string // parts
	}{
		"v2":     {v2, nil, usedV2, "v2", throttled(0.5, true), half, ""},
		"v1":     {v1, nil, usedV1, "v1", throttled(1.5, true), half, "cgroup.pressure"},
		"hybrid": {hybrid, nil, usedV1, "hybrid", throttled(1.5, true), half, "cgroup.pressure"},
		"none":   {nil, nil, nil, "", nil, nil, "cgroup"},

		"v2 without limits": {v2, map[string]string{"sys/fs/cgroup/cpu.max": "max 100000\n", "sys/fs/cgroup/memory.max": "max\n"}, usedV2, "v2", throttled(2, false), free, ""},
		"v2 with limits above the host": {
			v2, map[string]string{"sys/fs/cgroup/cpu.max": "6400000 100000\n", "sys/fs/cgroup/memory.max": "99999999999\n"}, usedV2, "v2", throttled(2, false), free, "",
		},
		"v2 with a CPU set": {v2, map[string]string{"sys/fs/cgroup/cpu.max": "max 100000\n", "sys/fs/cgroup/cpuset.cpus.effective": "1\n"}, usedV2, "v2", throttled(1, true), half, ""},
		"v2 at the real root": {
			v2, map[string]string{"sys/fs/cgroup/cpu.max": "-", "sys/fs/cgroup/memory.max": "-", "sys/fs/cgroup/memory.current": "-"}, usedV2, "v2", throttled(2, false), nil, "cgroup.memory",
		},
		"v1 without limits": {
			v1, map[string]string{
				"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
			}, usedV1, "v1", throttled(2, false), free, "cgroup.pressure",
		},
		"v1 with large pages":      {v1, map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854710272\n"}, usedV1, "v1", throttled(1.5, true), free, "cgroup.pressure"},
		"v1 limited by its parent": {v1, map[string]string{"sys/fs/cgroup/memory/memory.stat": "hierarchical_memory_limit 536870912\ntotal_inactive_file 268435456\n"}, usedV1, "v1", throttled(1.5, true), &Memory{gibibyte / 4, gibibyte / 2, true}, "cgroup.pressure"},
		"v1 with a CPU set":        {v1, map[string]string{"sys/fs/cgroup/cpuset/cpuset.effective_cpus": "0\n"}, usedV1, "v1", throttled(1, true), half, "cgroup.pressure"},
		"v1 without quotas": {
			v1, map[string]string{"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-", "sys/fs/cgroup/cpu,cpuacct/cpu.stat": "-"},
			map[string]string{"sys/fs/cgroup/cpu,cpuacct/cpuacct.usage": "1250000000\n", "sys/fs/cgroup/cpu,cpuacct/cpu.stat": "-"}, "v1", cpu(2, false), half, "cgroup.pressure",
		},

		"nested without limits": {nested(3), nil, deep, "v2", cpu(2, false), free, "cgroup.pressure"},
		"nested, the parents limit": {
			nested(3), map[string]string{
				"sys/fs/cgroup/g0/cpu.max": "100000 100000\n", "sys/fs/cgroup/g0/g1/cpu.max": "150000 100000\n",
				"sys/fs/cgroup/g0/g1/memory.max": "1073741824\n", "sys/fs/cgroup/g0/memory.max": "2147483648\n",
			}, deep, "v2", cpu(1, true), half, "cgroup.pressure",
		},
		"nested, a group that does not count memory": {
			nested(3), map[string]string{
				"sys/fs/cgroup/g0/g1/g2/memory.current": "-", "sys/fs/cgroup/g0/g1/g2/memory.stat": "-", "sys/fs/cgroup/g0/g1/g2/memory.max": "-",
				"sys/fs/cgroup/g0/g1/memory.max": "1073741824\n",
			}, deep, "v2", cpu(2, false), half, "cgroup.pressure",
		},

		"outside of the namespace": {v2, map[string]string{"proc/42/cgroup": "0::/../other\n"}, nil, "", nil, nil, "cgroup"},
		"outside of the mount":     {v1, map[string]string{"proc/42/cgroup": "5:memory:/docker/abcd\n3:cpu,cpuacct:/docker\n"}, nil, "", nil, nil, "cgroup"},
		"not mounted":              {v2, map[string]string{"proc/42/mountinfo": "24 1 8:1 / / rw - ext4 /dev/vda1 rw\n"}, nil, "", nil, nil, "cgroup"},
		"a folder that is gone":    {v2, map[string]string{"proc/42/cgroup": "0::/gone\n"}, nil, "", nil, nil, "cgroup"},
		"only memory":              {v1, map[string]string{"proc/42/cgroup": "5:memory:/docker/abc\n"}, nil, "v1", nil, half, "cgroup.cpu cgroup.pressure"},
		"only the CPU":             {v1, map[string]string{"proc/42/cgroup": "3:cpu,cpuacct:/docker/abc\n"}, usedV1, "v1", throttled(1.5, true), nil, "cgroup.memory cgroup.pressure"},
		"v2 that is mounted twice": {
			v2, map[string]string{"proc/42/mountinfo": "30 23 0:28 /elsewhere /mnt ro - cgroup2 cgroup rw\n" + v2["proc/42/mountinfo"]}, usedV2, "v2", throttled(0.5, true), half, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := boot(t, bare, row.files, row.more)
				r := m.reader()
				if s := r.read(t.Context()); s.Cgroup.CPU != nil || row.cpu != nil && lacking(s, "cgroup.cpu") != errNotYet.Error() {
					t.Errorf("the first sample has CPU %+v, missing %+v", s.Cgroup.CPU, s.Missing)
				}
				time.Sleep(time.Second)
				second(m, row.used)
				s := r.read(t.Context())
				if s.CgroupVersion != row.version {
					t.Errorf("version is %q, want %q", s.CgroupVersion, row.version)
				}
				if !same(s.Cgroup.CPU, row.cpu) || !same(s.Cgroup.Memory, row.memory) {
					t.Errorf("got %+v and %+v, want %+v and %+v", s.Cgroup.CPU, s.Cgroup.Memory, row.cpu, row.memory)
				}
				var missing []string
				for _, one := range s.Missing {
					missing = append(missing, one.Part)
				}
				if got := strings.Join(missing, " "); got != row.missing {
					t.Errorf("missing are %+v, want %q", s.Missing, row.missing)
				}
				if want := (CPU{UsedCores: 1, LimitCores: 2}); s.Host.CPU == nil || *s.Host.CPU != want {
					t.Errorf("CPU of the host is %+v; what a cgroup lacks must not harm it", s.Host.CPU)
				}
			})
		})
	}
}

// same compares what pointers point to.
func same[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// TestReader_FollowsAProcessThatIsMoved: its figures begin anew.
func TestReader_FollowsAProcessThatIsMoved(t *testing.T) {
	needsLinks(t)
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, bare, nested(2))
		m.put(map[string]string{"sys/fs/cgroup/b/cpu.stat": "usage_usec 9\n", "sys/fs/cgroup/b/cpu.max": "50000 100000\n"})
		r := m.reader()
		r.read(t.Context())
		time.Sleep(time.Second)
		m.put(map[string]string{"proc/42/cgroup": "0::/b\n"})
		if s := r.read(t.Context()); lacking(s, "cgroup.cpu") != errNotYet.Error() {
			t.Errorf("missing are %+v", s.Missing)
		}
		time.Sleep(time.Second)
		m.put(map[string]string{"sys/fs/cgroup/b/cpu.stat": "usage_usec 500009\n"})
		s := r.read(t.Context())
		if want := (CPU{UsedCores: 0.5, LimitCores: 0.5, Limited: true}); !same(s.Cgroup.CPU, &want) {
			t.Errorf("got %+v, missing %+v", s.Cgroup.CPU, s.Missing)
		}
		m.put(map[string]string{"sys/fs/cgroup/b": "-"})
		if s := r.read(t.Context()); lacking(s, "cgroup.cpu") == "" {
			t.Error("a folder that is gone is read")
		}
	})
}

// TestReader_SkipsCountersThatGoBack: the interval is skipped, and the next one is
// measured.
func TestReader_SkipsCountersThatGoBack(t *testing.T) {
	needsLinks(t)
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, bare, v2, map[string]string{"sys/fs/cgroup/cpu.stat": "usage_usec 1000000\n"})
		r := m.reader()
		r.read(t.Context())
		for _, step := range []struct {
			busy, idle, usage int
			host, group       string
		}{
			{200, 200, 1250000, "", ""},
			{150, 300, 1000, errBackward.Error(), errBackward.Error()},
			{200, 350, 2000, "", ""},
			{300, 340, 3000, errBackward.Error(), ""},
			{300, 340, 3000, errNoTime.Error(), ""},
			{300, 341, 3000, "", ""},
		} {
			time.Sleep(time.Second)
			m.put(map[string]string{"proc/stat": stat(step.busy, step.idle), "sys/fs/cgroup/cpu.stat": fmt.Sprintf("usage_usec %d\n", step.usage)})
			s := r.read(t.Context())
			if lacking(s, "host.cpu") != step.host {
				t.Errorf("%+v: host lacks %q", step, lacking(s, "host.cpu"))
			}
			if lacking(s, "cgroup.cpu") != step.group {
				t.Errorf("%+v: cgroup lacks %q", step, lacking(s, "cgroup.cpu"))
			}
		}
	})
}

// TestReader_CgroupWithoutTime: two samples at one moment can't be compared.
func TestReader_CgroupWithoutTime(t *testing.T) {
	needsLinks(t)
	synctest.Test(t, func(t *testing.T) {
		r := boot(t, bare, v2).reader()
		r.read(t.Context())
		if s := r.read(t.Context()); lacking(s, "cgroup.cpu") != errNoTime.Error() {
			t.Errorf("missing are %+v", s.Missing)
		}
	})
}

// TestReader_LosesThrottlingThatIsGarbage, and the whole CPU with it.
func TestReader_LosesThrottlingThatIsGarbage(t *testing.T) {
	needsLinks(t)
	for _, key := range []string{"nr_periods", "nr_throttled", "throttled_usec"} {
		s := boot(t, bare, v2, map[string]string{"sys/fs/cgroup/cpu.stat": "usage_usec 1\n" + key + " x\n"}).reader().read(t.Context())
		if got := lacking(s, "cgroup.cpu"); !strings.Contains(got, "cpu.stat is malformed") {
			t.Errorf("%s: %q", key, got)
		}
	}
}

func TestDuration_IsBounded(t *testing.T) {
	if got := duration(math.MaxUint64, time.Microsecond); got != math.MaxInt64 {
		t.Error(got)
	}
	if got := duration(7, time.Microsecond); got != 7*time.Microsecond {
		t.Error(got)
	}
}

func TestRatio_OfNoLimitIsUnknown(t *testing.T) {
	if v, known := (CPU{UsedCores: 1}).Ratio(); known || v != 0 {
		t.Errorf("got %v, %v", v, known)
	}
	if v, known := (Memory{UsedBytes: 1, LimitBytes: 4}).Ratio(); !known || math.Abs(v-0.25) > 1e-9 {
		t.Errorf("got %v, %v", v, known)
	}
}
