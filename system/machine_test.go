package system

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// machine is a made-up root folder.
type machine struct {
	t    testing.TB
	root string
}

// boot makes a machine of files by path; later maps win, and "-" removes a file.
func boot(t testing.TB, files ...map[string]string) *machine {
	t.Helper()
	m := &machine{t, t.TempDir()}
	all := make(map[string]string)
	for _, f := range files {
		maps.Copy(all, f)
	}
	m.put(all)
	return m
}

func (m *machine) put(files map[string]string) {
	m.t.Helper()
	for name, content := range files {
		path := filepath.Join(m.root, filepath.FromSlash(name))
		if content == "-" {
			if err := os.RemoveAll(path); err != nil {
				m.t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			m.t.Fatal(err)
		}
		if target, link := strings.CutPrefix(content, "-> "); link {
			if err := os.Symlink(target, path); err != nil {
				m.t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			m.t.Fatal(err)
		}
	}
}

// reader reads the machine, with a disk that is half full.
func (m *machine) reader() *reader {
	opts, err := Options{Root: m.root}.normalize()
	if err != nil {
		m.t.Fatal(err)
	}
	r := newReader(opts)
	r.disks[0].space = func(string) (space, error) { return space{total: 100, free: 50}, nil }
	return r
}

// sampler samples the machine until the test ends.
func (m *machine) sampler(opts Options) *Sampler {
	m.t.Helper()
	opts.Root = m.root
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := New(opts)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, d := range s.reader.disks {
		d.space = func(string) (space, error) { return space{total: 100, free: 50}, nil }
	}
	m.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			m.t.Error(err)
		}
	})
	return s
}

// stat is /proc/stat of a machine with two processors.
func stat(busy, idle int) string {
	return fmt.Sprintf("cpu  %d 0 0 %d 0 0 0 0 7 7\ncpu0 1 0 0 1 0 0 0 0 0 0\ncpu1 1 0 0 1 0 0 0 0 0 0\nintr 5 1 2\nctxt 7\n", busy, idle)
}

const (
	pressured = "some avg10=9.00 avg60=25.00 avg300=1.00 total=12\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
	gibibyte  = 1 << 30
)

// bare is a machine of two processors and 8 GiB, 2 of them in use, without cgroups.
var bare = map[string]string{
	"proc/stat":             stat(100, 100),
	"proc/meminfo":          "MemTotal:        8388608 kB\nMemFree:          100000 kB\nMemAvailable:    6291456 kB\nHugePages_Total:       0\n",
	"proc/loadavg":          "0.50 1.25 2.00 2/345 6789\n",
	"proc/pressure/cpu":     pressured,
	"proc/pressure/memory":  pressured,
	"proc/pressure/io":      pressured,
	"proc/self":             "-> 42",
	"proc/42/cgroup":        "",
	"proc/42/mountinfo":     "",
	"sys/fs/cgroup/ignored": "",
}

// v2 is a container in a namespace of its own: half a processor, 1 GiB.
var v2 = map[string]string{
	"proc/42/cgroup":                "0::/\n",
	"proc/42/mountinfo":             "31 23 0:28 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n24 1 8:1 / / rw shared:1 - ext4 /dev/vda1 rw\n",
	"sys/fs/cgroup/cpu.max":         "50000 100000\n",
	"sys/fs/cgroup/cpu.stat":        "usage_usec 1000000\nuser_usec 1\nnr_periods 10\nnr_throttled 1\nthrottled_usec 2500000\n",
	"sys/fs/cgroup/memory.current":  "536870912\n",
	"sys/fs/cgroup/memory.max":      "1073741824\n",
	"sys/fs/cgroup/memory.stat":     "anon 1\nfile 2\ninactive_anon 3\ninactive_file 268435456\n",
	"sys/fs/cgroup/cpu.pressure":    pressured,
	"sys/fs/cgroup/memory.pressure": pressured,
	"sys/fs/cgroup/io.pressure":     pressured,
}

// v1 is a container without a namespace: one and a half processors, 1 GiB.
var v1 = map[string]string{
	"proc/42/cgroup": "5:memory:/docker/abc\n4:cpuset:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n",
	"proc/42/mountinfo": "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n" +
		"32 31 0:29 /docker/abc /sys/fs/cgroup/systemd ro - cgroup cgroup rw,name=systemd\n" +
		"33 31 0:30 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n" +
		"34 31 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n" +
		"35 31 0:32 /docker/abc /sys/fs/cgroup/cpuset ro - cgroup cgroup rw,cpuset\n",
	"sys/fs/cgroup/cpu":                                       "-> cpu,cpuacct",
	"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":              "150000\n",
	"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us":             "100000\n",
	"sys/fs/cgroup/cpu,cpuacct/cpu.stat":                      "nr_periods 10\nnr_throttled 1\nthrottled_time 2500000000\n",
	"sys/fs/cgroup/cpu,cpuacct/cpuacct.usage":                 "1000000000\n",
	"sys/fs/cgroup/cpuset/cpuset.cpus":                        "0-1\n",
	"sys/fs/cgroup/memory/memory.usage_in_bytes":              "536870912\n",
	"sys/fs/cgroup/memory/memory.limit_in_bytes":              "1073741824\n",
	"sys/fs/cgroup/memory/memory.stat":                        "inactive_file 1\nhierarchical_memory_limit 9223372036854771712\ntotal_inactive_file 268435456\n",
	"sys/fs/cgroup/memory/docker/other/memory.limit_in_bytes": "1\n",
}

// lacking returns why a part is missing; "" if it is not.
func lacking(s *Sample, part string) string {
	for _, m := range s.Missing {
		if m.Part == part {
			return m.Reason
		}
	}
	return ""
}

func needsLinks(t testing.TB) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("/proc/self is a symbolic link, which takes rights here")
	}
}
