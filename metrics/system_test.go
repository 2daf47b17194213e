package metrics

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/drivers/memory"
	"github.com/holdfast-go/holdfast/system"
)

// machine is a folder that looks like a machine with a container of half a
// processor and 1 GiB.
func machine(t *testing.T) string {
	t.Helper()
	const waiting = "some avg10=0.00 avg60=25.00 avg300=0.00 total=1\n"
	root := t.TempDir()
	write(t, root, map[string]string{
		"proc/stat": "cpu  100 0 0 100 0 0 0 0 0 0\ncpu0 1 1 1 1\ncpu1 1 1 1 1\n", "proc/loadavg": "0.50 1.25 2.00 1/2 3\n",
		"proc/meminfo": "MemTotal: 8388608 kB\nMemAvailable: 6291456 kB\n", "proc/pressure/cpu": waiting, "proc/pressure/memory": waiting, "proc/pressure/io": waiting,
		"proc/42/cgroup": "0::/\n", "proc/42/mountinfo": "31 23 0:28 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
		"sys/fs/cgroup/cpu.stat": "usage_usec 1000000\nnr_periods 1\nnr_throttled 1\nthrottled_usec 2500000\n", "sys/fs/cgroup/cpu.max": "50000 100000\n",
		"sys/fs/cgroup/memory.current": "536870912\n", "sys/fs/cgroup/memory.max": "1073741824\n", "sys/fs/cgroup/memory.stat": "inactive_file 268435456\n",
	})
	if err := os.Symlink("42", filepath.Join(root, "proc", "self")); err != nil {
		t.Fatal(err)
	}
	return root
}

func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

type accepting struct{}

func (accepting) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody}, nil
}

// sampled is a sampler of that machine after two samples, in a bubble.
func sampled(t *testing.T) *system.Sampler {
	t.Helper()
	root := machine(t)
	s, err := system.New(system.Options{
		Root: root, Disks: []string{root}, Logger: slog.New(slog.DiscardHandler),
		Push: system.PushOptions{URL: "http://collector.example/", Client: &http.Client{Transport: accepting{}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	write(t, root, map[string]string{
		"proc/stat":              "cpu  150 0 0 250 0 0 0 0 0 0\ncpu0 1 1 1 1\ncpu1 1 1 1 1\n",
		"sys/fs/cgroup/cpu.stat": "usage_usec 1250000\nnr_periods 2\nnr_throttled 2\nthrottled_usec 3000000\n",
	})
	time.Sleep(time.Second)
	synctest.Wait()
	return s
}

func TestCollector_ShowsTheSystem(t *testing.T) {
	bubble(t, func(t *testing.T, _ *memory.Backend, svc *holdfast.Service) {
		s := sampled(t)
		last, ok := s.Sample()
		if !ok || len(last.Disks) != 1 {
			t.Fatalf("got %+v", last)
		}
		disk := `{path="` + last.Disks[0].Path + `"}`
		reg := registered(t, svc, Options{System: s})
		want(t, reg, map[string]string{
			"system_supported": "1", "system_degraded": "0", "system_parts_missing": "1", "system_sample_timestamp_seconds": "9.46684801e+08",
			`system_cpu_ratio{scope="host"}`: "0.25", `system_cpu_used_cores{scope="host"}`: "0.5", `system_cpu_limit_cores{scope="host"}`: "2",
			`system_cpu_ratio{scope="cgroup"}`: "0.5", `system_cpu_used_cores{scope="cgroup"}`: "0.25", `system_cpu_limit_cores{scope="cgroup"}`: "0.5",
			`system_cpu_throttled_seconds_total{scope="cgroup"}`: "3", `system_cpu_throttled_seconds_total{scope="host"}`: "",
			`system_memory_ratio{scope="host"}`: "0.25", `system_memory_used_bytes{scope="cgroup"}`: "2.68435456e+08", `system_memory_limit_bytes{scope="cgroup"}`: "1.073741824e+09",
			`system_pressure_ratio{resource="io",scope="host"}`: "0.25", `system_pressure_ratio{resource="io",scope="cgroup"}`: "",
			`system_load_average{window="1m"}`: "0.5", `system_load_average{window="15m"}`: "2",
			"system_push_up": "1", "system_pushes_total": "2", "system_push_errors_total": "0",
		})
		if got := scraped(t, reg); got["system_disk_used_ratio"+disk] == "" || got["system_disk_size_bytes"+disk] == "" || got["system_disk_used_bytes"+disk] == "" {
			t.Errorf("the disk %s is missing in %v", disk, got)
		}
		series := 0
		for name := range scraped(t, reg) {
			if strings.HasPrefix(name, "system_") {
				series++
			}
		}
		if series != 30-3+3 { // all of docs/metrics.md but the pressure of the cgroup, and one disk
			t.Errorf("there are %d series", series)
		}
		text := scrapedText(t, reg)
		if problems, err := promlint.New(strings.NewReader(text)).Lint(); err != nil || len(problems) > 0 {
			t.Errorf("%v, %v", problems, err)
		}
	})
}

// TestCollector_ShowsNoSystemThatWasNotSampled: no figure is made up.
func TestCollector_ShowsNoSystemThatWasNotSampled(t *testing.T) {
	bubble(t, func(t *testing.T, _ *memory.Backend, svc *holdfast.Service) {
		s, err := system.New(system.Options{
			Root: t.TempDir(), Disks: []string{}, Logger: slog.New(slog.DiscardHandler),
			Push: system.PushOptions{URL: "http://collector.example/", Client: &http.Client{Transport: accepting{}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		reg := registered(t, svc, Options{System: s})
		want(t, reg, map[string]string{"system_supported": "1", "system_degraded": "", "system_push_up": "0", "system_sample_timestamp_seconds": ""})
		s.Start() // of a folder that holds nothing
		defer func() { _ = s.Close(context.WithoutCancel(t.Context())) }()
		synctest.Wait()
		want(t, reg, map[string]string{
			"system_degraded": "0", "system_parts_missing": "1", `system_cpu_ratio{scope="host"}`: "", `system_memory_ratio{scope="host"}`: "", `system_load_average{window="1m"}`: "",
		})
	})
}
