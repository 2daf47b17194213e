package system

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-go/holdfast/health"
)

func TestCheck_ShowsTheNewestSample(t *testing.T) {
	needsLinks(t)
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, bare, v2)
		s := m.sampler(Options{})
		if r := s.Check(t.Context()); r.Err != nil || r.Degraded || r.Details["pending"] != true {
			t.Errorf("before the first sample: %+v", r)
		}
		s.Start()
		synctest.Wait()
		taken := time.Now().UTC().Format(time.RFC3339)
		want := map[string]any{
			"taken_at": taken,
			"host":     map[string]any{"memory": 0.25, "memory_used_bytes": uint64(2 * gibibyte), "memory_limit_bytes": uint64(8 * gibibyte)},
			"cgroup":   map[string]any{"version": "v2", "memory": 0.25, "memory_used_bytes": uint64(gibibyte / 4), "memory_limit_bytes": uint64(gibibyte)},
			"load":     []float64{0.5, 1.25, 2},
			"disks":    map[string]any{"/": 0.5},
			"missing":  map[string]any{"host.cpu": errNotYet.Error(), "cgroup.cpu": errNotYet.Error()},
		}
		if diff := cmp.Diff(want, s.Check(t.Context()).Details); diff != "" {
			t.Error(diff)
		}
		second(m, map[string]string{"sys/fs/cgroup/cpu.stat": "usage_usec 1250000\nnr_periods 20\nnr_throttled 6\nthrottled_usec 3000000\n"})
		time.Sleep(time.Second)
		synctest.Wait()
		r := s.Check(t.Context())
		host, _ := r.Details["host"].(map[string]any)
		group, _ := r.Details["cgroup"].(map[string]any)
		if host["cpu"] != 0.5 || host["cores"] != 2.0 || group["cpu"] != 0.5 || group["cores"] != 0.5 || group["throttled"] != 0.5 || r.Details["missing"] != nil {
			t.Errorf("details are %+v", r.Details)
		}
	})
}

// TestCheck_DegradesWhenSamplesStop: a figure that nobody renews is not the truth.
func TestCheck_DegradesWhenSamplesStop(t *testing.T) {
	needsLinks(t)
	synctest.Test(t, func(t *testing.T) {
		s := boot(t, bare).sampler(Options{})
		s.take()
		time.Sleep(45 * time.Second)
		if r := s.Check(t.Context()); r.Degraded {
			t.Errorf("after three intervals: %+v", r)
		}
		time.Sleep(time.Second)
		if r := s.Check(t.Context()); r.Err != nil || !r.Degraded || len(r.Reasons) != 1 || !strings.Contains(r.Reasons[0], "46s old") {
			t.Errorf("after 46 s: %+v", r)
		}
	})
}

// TestCheck_InASet: it is UP however busy the machine is, and its details are JSON.
func TestCheck_InASet(t *testing.T) {
	needsLinks(t)
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, bare, v2)
		s := m.sampler(Options{Thresholds: Thresholds{Disk: 0.1, Readings: 1}})
		s.Start()
		checks := health.New(health.Options{Logger: s.log})
		defer func() { _ = checks.Close(t.Context()) }()
		if err := checks.Register(s, health.CheckOptions{Groups: []string{health.Ready, health.Live}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, group := range []string{health.Live, health.Ready} {
			report := checks.Group(t.Context(), group)
			if report.Status != health.Up || !report.Degraded || len(report.Checks) != 1 || report.Checks[0].Name != "system" {
				t.Errorf("%s is %+v", group, report)
			}
			var details map[string]any
			if err := json.Unmarshal(report.Checks[0].Details, &details); err != nil || details["host"] == nil {
				t.Errorf("details are %s, %v", report.Checks[0].Details, err)
			}
		}
	})
}

func TestCheck_SaysUnsupported(t *testing.T) {
	if runtime.GOOS == "linux" {
		if s, err := New(Options{}); err != nil || !s.Supported() {
			t.Errorf("Linux is not supported, %v", err)
		}
		return
	}
	s, err := New(Options{Name: "machine"})
	if err != nil || s.Supported() || s.Name() != "machine" {
		t.Fatal(err)
	}
	s.Start()
	if r := s.Check(t.Context()); r.Err != nil || r.Degraded || r.Details["unsupported"] != true {
		t.Errorf("got %+v", r)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
