package system

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

func TestReader_ReadsTheHost(t *testing.T) {
	needsLinks(t)
	r := boot(t, bare, v2).reader()
	s := r.read(t.Context())
	if want := (Memory{UsedBytes: 2 * gibibyte, LimitBytes: 8 * gibibyte}); !same(s.Host.Memory, &want) {
		t.Errorf("memory is %+v", s.Host.Memory)
	}
	if want := (Load{0.5, 1.25, 2}); !same(s.Load, &want) {
		t.Errorf("load is %+v", s.Load)
	}
	if want := (Pressure{0.25, 0.25, 0.25}); !same(s.Host.Pressure, &want) || !same(s.Cgroup.Pressure, &want) {
		t.Errorf("pressure is %+v and %+v", s.Host.Pressure, s.Cgroup.Pressure)
	}
	if len(s.Disks) != 1 || s.Disks[0] != (Disk{"/", 0.5, 50, 100}) {
		t.Errorf("disks are %+v", s.Disks)
	}
}

// TestReader_LosesOnlyWhatIsBroken: whatever a file holds, its part is missing with
// a reason of bounded length, and no other.
func TestReader_LosesOnlyWhatIsBroken(t *testing.T) {
	needsLinks(t)
	const group, cpu, memory = "sys/fs/cgroup/", "sys/fs/cgroup/cpu,cpuacct/", "sys/fs/cgroup/memory/"
	for _, row := range []struct {
		files      map[string]string
		file, part string
		optional   bool // it may be gone
	}{
		{v2, "proc/stat", "host.cpu", false},
		{v2, "proc/meminfo", "host.memory", false},
		{v2, "proc/loadavg", "load", false},
		{v2, "proc/pressure/io", "host.pressure", false},
		{v2, "proc/42/cgroup", "cgroup", false},
		{v2, "proc/42/mountinfo", "cgroup", false},
		{v2, group + "cpu.stat", "cgroup.cpu", false},
		{v2, group + "cpu.max", "cgroup.cpu", true},
		{v2, group + "cpuset.cpus.effective", "cgroup.cpu", true},
		{v2, group + "memory.current", "cgroup.memory", false},
		{v2, group + "memory.max", "cgroup.memory", true},
		{v2, group + "memory.stat", "cgroup.memory", false},
		{v2, group + "cpu.pressure", "cgroup.pressure", false},
		{v1, cpu + "cpuacct.usage", "cgroup.cpu", false},
		{v1, cpu + "cpu.cfs_quota_us", "cgroup.cpu", true},
		{v1, cpu + "cpu.cfs_period_us", "cgroup.cpu", false},
		{v1, "sys/fs/cgroup/cpuset/cpuset.cpus", "cgroup.cpu", true},
		{v1, memory + "memory.usage_in_bytes", "cgroup.memory", false},
		{v1, memory + "memory.limit_in_bytes", "cgroup.memory", true},
		{v1, memory + "memory.stat", "cgroup.memory", false},
	} {
		for kind, content := range map[string]string{
			"nothing": "", "gone": "-", "text": "no idea\n", "bytes": "\x00\xff\x1b[31m\n\n\r", "long": strings.Repeat("x", 3000), "negative": "-5 -5\n",
			"numbers": "99999999999999999999999 99999999999999999999999\n", "NaN": "NaN NaN NaN\n", "keys": "cpu x x x x x\nMemTotal: x kB\nusage_usec x\ninactive_file x\ntotal_inactive_file x\nsome avg60=x\n",
		} {
			if kind == "gone" && row.optional || kind == "nothing" && strings.Contains(row.file, "cpuset") {
				continue // what has a meaning
			}
			t.Run(strings.ReplaceAll(row.file, "/", " ")+" "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := boot(t, bare, row.files, map[string]string{"sys/fs/cgroup/cpuset/cpuset.cpus": "0-1\n"})
					r := m.reader()
					r.read(t.Context())
					time.Sleep(time.Second)
					m.put(map[string]string{"proc/stat": stat(200, 200), row.file: content})
					if row.file == "proc/42/mountinfo" { // read when the process was moved
						r.cgroup.where.located = false
					}
					s := r.read(t.Context())
					s.Missing = slices.DeleteFunc(s.Missing, func(one Missing) bool { // which version 1 never has
						return one.Part == "cgroup.pressure" && row.files["sys/fs/cgroup/cpu.pressure"] == ""
					})
					if len(s.Missing) != 1 || s.Missing[0].Part != row.part {
						t.Errorf("missing are %+v", s.Missing)
					}
					for _, one := range s.Missing {
						if one.Reason == "" || len(one.Reason) > 210 || !utf8.ValidString(one.Reason) || strings.ContainsAny(one.Reason, "\x00\n\x1b") {
							t.Errorf("the reason of %s is %q", one.Part, one.Reason)
						}
					}
				})
			})
		}
	}
}

// TestReader_WithoutProc has no host and no cgroup, and its disks.
func TestReader_WithoutProc(t *testing.T) {
	r := boot(t, map[string]string{"unrelated": ""}).reader()
	s := r.read(t.Context())
	if lacking(s, "host") == "" || s.Host != (Scope{}) || s.Cgroup != (Scope{}) || len(s.Disks) != 1 {
		t.Errorf("got %+v", s)
	}
}

func TestParseTicks_CountsWhatCantBeHad(t *testing.T) {
	got, err := parseTicks([]byte("cpu  1 2 4 8 16 32 64 128 256 512\ncpu0 1 2 3 4\ncpu7 1 2 3 4\nintr 9\ncpu8 late\n"))
	if want := (ticks{busy: 1 + 2 + 4 + 32 + 64 + 128, idle: 8 + 16, cores: 2}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"", "cpu", "cpu 1 2 3 4", "cpu0 1 2 3 4\n", "cpu 18446744073709551615 1 1 1\ncpu0\n", "cpu 1 2 3 -4\ncpu0\n"} {
		if got, err := parseTicks([]byte(bad)); err == nil {
			t.Errorf("%q is %+v", bad, got)
		}
	}
}

func TestParseSet_CountsProcessors(t *testing.T) {
	for list, want := range map[string]int{"": 0, "\n": 0, "0": 1, "0-3": 4, "0-3,7\n": 5, "0,2,4-5": 4, "3-1": -1, "a": -1, "1-": -1, "0-99999": -1, "-1": -1} {
		got, err := parseSet(list)
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q is %d, %v", list, got, err)
		}
	}
}

func TestFoldersOf_StayBelowTheMount(t *testing.T) {
	for _, row := range []struct{ mounted, group, want string }{
		{"/", "/", "m"}, {"/", "/a/b", "m/a/b m/a m"}, {"/docker/x", "/docker/x", "m"}, {"/docker/x", "/docker/x/y", "m/y m"},
		{"/docker/x", "/docker/xy", ""}, {"/docker/x", "/docker", ""}, {"/docker/x", "/", ""}, {"/", "/../a", ""}, {"/..", "/", ""},
		{"/", "/a/../../b", ""}, {"", "/", ""}, {"/", "", ""}, {"/", "//a//", "m/a m"}, {"/a/", "/a/b", "m/b m"},
	} {
		dirs, err := foldersOf(row.mounted, "m", row.group)
		if got := filepath.ToSlash(strings.Join(dirs, " ")); got != row.want || (err == nil) != (row.want != "") {
			t.Errorf("%q of %q: %q, %v", row.group, row.mounted, got, err)
		}
	}
}

// FuzzFiles: no file of a kernel, whatever it holds, panics or gives a figure that
// can't be.
func FuzzFiles(f *testing.F) {
	for _, files := range []map[string]string{bare, v2, v1} {
		for _, content := range files {
			f.Add([]byte(content))
		}
	}
	f.Add([]byte("0-3,7\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := parseTicks(data); err == nil && got.cores <= 0 {
			t.Errorf("%+v", got)
		}
		if share, err := parsePressure(data); err == nil && !(share >= 0 && share <= 1) {
			t.Error(share)
		}
		if cores, err := parseQuota(data); err == nil && !(cores >= 0) {
			t.Error(cores)
		}
		if n, err := parseSet(string(data)); err == nil && n < 0 {
			t.Error(n)
		}
		_, _ = parseLimit(data)
		_, _, _ = field(data, "usage_usec")
		if text := reason(malformed(string(data), os.ErrInvalid)); len(text) > 203 {
			t.Error(len(text))
		}
		if _, err := foldersOf("/", "m", string(data)); err == nil && escapes(string(data)) {
			t.Error("it leads out of the mount")
		}
	})
}
