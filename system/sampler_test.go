package system

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func TestSampler_SamplesAtItsCadence(t *testing.T) {
	needsLinks(t)
	for _, row := range []struct {
		interval time.Duration
		want     []time.Duration
	}{
		{0, []time.Duration{0, time.Second, 15 * time.Second, 30 * time.Second, 45 * time.Second}},
		{1500 * time.Millisecond, []time.Duration{0, 1500 * time.Millisecond, 3 * time.Second}},
		{100 * time.Millisecond, []time.Duration{0, 100 * time.Millisecond, 200 * time.Millisecond}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := boot(t, bare, v2).sampler(Options{Interval: row.interval})
			if _, ok := s.Sample(); ok {
				t.Error("there is a sample before Start")
			}
			began := time.Now()
			s.Start()
			s.Start()
			for _, want := range row.want {
				time.Sleep(time.Until(began.Add(want)))
				synctest.Wait()
				one, ok := s.Sample()
				if got := one.TakenAt.Sub(began); !ok || got != want {
					t.Errorf("interval %v: the sample is of %v, want %v", row.interval, got, want)
				}
			}
		})
	}
}

// TestSampler_HasOneGoroutine, and one more while it pushes.
func TestSampler_HasOneGoroutine(t *testing.T) {
	needsLinks(t)
	for want, push := range map[int]PushOptions{1: {}, 2: pushing(&collector{answer: func(int) (*http.Response, error) { return status(204) }}, PushOptions{})} {
		synctest.Test(t, func(t *testing.T) {
			s := boot(t, bare, v2).sampler(Options{Push: push})
			for range 3 {
				s.Start()
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			if got := bytes.Count(stacks, []byte("created by github.com/holdfast-go/holdfast/system.(")); got != want {
				t.Errorf("there are %d goroutines, want %d:\n%s", got, want, stacks)
			}
		})
	}
}

func TestSample_TakesNoMemory(t *testing.T) {
	needsLinks(t)
	s := boot(t, bare, v2).sampler(Options{})
	s.take()
	if n := testing.AllocsPerRun(100, func() { _, _ = s.Sample() }); n > 0 {
		t.Errorf("it takes %v allocations", n)
	}
}

func TestSampler_CloseEndsIt(t *testing.T) {
	needsLinks(t)
	synctest.Test(t, func(t *testing.T) {
		s := boot(t, bare, v2).sampler(Options{})
		s.Start()
		synctest.Wait()
		before, ok := s.Sample()
		for range 2 {
			if err := s.Close(t.Context()); err != nil || !ok {
				t.Errorf("%v, %v", err, ok)
			}
		}
		s.Start()
		time.Sleep(time.Hour)
		after, ok := s.Sample()
		if !ok || after.TakenAt != before.TakenAt {
			t.Error("it samples after Close")
		}
		if r := s.Check(t.Context()); r.Err != nil || r.Degraded {
			t.Errorf("a sampler that was closed is %+v", r)
		}
		never := boot(t, bare).sampler(Options{})
		if err := never.Close(t.Context()); err != nil {
			t.Error(err)
		}
		never.Start()
		synctest.Wait()
		if _, ok := never.Sample(); ok {
			t.Error("Start after Close samples")
		}
	})
}

// TestSampler_DegradesAndRecoversWithoutFlapping: two readings, and a margin.
func TestSampler_DegradesAndRecoversWithoutFlapping(t *testing.T) {
	needsLinks(t)
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, bare)
		log := &lines{}
		s := m.sampler(Options{Interval: time.Second, Logger: slog.New(slog.NewTextHandler(log, nil)), Disks: []string{"/", "/data"}})
		used := uint64(50)
		s.reader.disks[1].space = func(string) (space, error) { return space{total: 100, free: 100 - used}, nil }
		busy, idle := 100, 100
		for i, step := range []struct {
			percent int // of the CPU
			disk    uint64
			want    string
		}{
			{50, 50, ""},
			{100, 50, ""},
			{100, 50, "CPU of the host: 100.0 %, the threshold is 80 %"},
			{78, 50, "CPU of the host: 78.0 %, the threshold is 80 %"}, // within the margin
			{78, 50, "CPU of the host: 78.0 %, the threshold is 80 %"},
			{10, 50, "CPU of the host: 10.0 %, the threshold is 80 %"},
			{81, 50, "CPU of the host: 81.0 %, the threshold is 80 %"},
			{10, 50, "CPU of the host: 10.0 %, the threshold is 80 %"},
			{10, 50, ""},
			{81, 50, ""},
			{10, 91, ""},
			{81, 91, "disk /data: 91.0 %, the threshold is 90 %"},
			{10, 86, "disk /data: 86.0 %, the threshold is 90 %"},
			{-1, 84, "disk /data: 84.0 %, the threshold is 90 %"},
			{10, 84, ""},
			{85, 50, ""},
			{85, 50, "CPU of the host: 85.0 %, the threshold is 80 %"},
			{-1, 50, "CPU of the host: was beyond its threshold, and is not known now"},
			{-1, 50, ""},
		} {
			used = step.disk
			if step.percent < 0 {
				m.put(map[string]string{"proc/stat": "garbage"})
			} else {
				busy, idle = busy+step.percent, idle+100-step.percent
				m.put(map[string]string{"proc/stat": stat(busy, idle)})
			}
			if i == 0 || step.percent > 0 && s.reader.host.before == nil { // a figure takes two
				m.put(map[string]string{"proc/stat": stat(busy-step.percent, idle-100+step.percent)})
				s.reader.host.before = nil
				_, _ = s.reader.host.cpu()
				m.put(map[string]string{"proc/stat": stat(busy, idle)})
			}
			s.take()
			one, _ := s.Sample()
			if got := strings.Join(one.Reasons, "; "); got != step.want {
				t.Errorf("step %d %+v: reasons are %q", i, step, got)
			}
			r := s.Check(t.Context())
			if r.Err != nil || r.Degraded != (step.want != "") || one.Degraded() != r.Degraded {
				t.Errorf("step %d: the check says %+v", i, r)
			}
		}
		if n := log.count("system is degraded"); n != 3 {
			t.Errorf("it was told to be degraded %d times:\n%s", n, log)
		}
		if n := log.count("well again"); n != 3 {
			t.Errorf("it was told to be well %d times:\n%s", n, log)
		}
	})
}

func TestSampler_ThresholdsAreOptions(t *testing.T) {
	needsLinks(t)
	for name, row := range map[string]struct {
		thresholds Thresholds
		want       int
	}{
		"default":      {Thresholds{}, 0},
		"all exceeded": {Thresholds{CPU: 0.2, Memory: 0.2, Disk: 0.2, Readings: 1}, 5},
		"none":         {Thresholds{CPU: -1, Memory: -1, Disk: -1, Readings: 1}, 0},
		"memory alone": {Thresholds{Memory: 0.24, Readings: 1}, 2},
		"not exceeded": {Thresholds{Memory: 0.26, Readings: 1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := boot(t, bare, v2, map[string]string{"sys/fs/cgroup/cpu.stat": "usage_usec 1000000\n"})
				s := m.sampler(Options{Interval: time.Second, Thresholds: row.thresholds})
				s.take()
				time.Sleep(time.Second)
				m.put(map[string]string{"proc/stat": stat(160, 140), "sys/fs/cgroup/cpu.stat": "usage_usec 1300000\n"}) // 60 % each
				s.take()
				one, _ := s.Sample()
				if len(one.Reasons) != row.want {
					t.Errorf("reasons are %q, want %d", one.Reasons, row.want)
				}
			})
		})
	}
}

// TestSampler_OutlivesADiskThatHangs: one goroutine, and all else goes on.
func TestSampler_OutlivesADiskThatHangs(t *testing.T) {
	needsLinks(t)
	synctest.Test(t, func(t *testing.T) {
		s := boot(t, bare).sampler(Options{Disks: []string{"/dead", "/"}})
		hang, asked := make(chan struct{}), 0
		s.reader.disks[0].space = func(string) (space, error) {
			asked++
			<-hang
			return space{total: 10}, nil
		}
		s.Start()
		time.Sleep(46 * time.Second)
		synctest.Wait()
		one, _ := s.Sample()
		if lacking(&one, "disk:/dead") != errHangs.Error() || len(one.Disks) != 1 || one.Host.Memory == nil || asked != 1 {
			t.Errorf("asked %d times, got %+v", asked, one)
		}
		if one.Took > 0 {
			t.Errorf("a disk that is known to hang is awaited for %v", one.Took)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("enough"))
		defer cancel()
		if err := s.Close(ctx); err == nil || !strings.Contains(err.Error(), "/dead") || !strings.Contains(err.Error(), "enough") {
			t.Errorf("Close returned %v", err)
		}
		close(hang)
	})
}

func TestSampler_AsksADiskAgainThatHasAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		d := &disk{path: "/slow", space: func(string) (space, error) {
			switch asked++; asked {
			case 1:
				time.Sleep(3 * time.Second)
				return space{total: 10}, nil
			case 2:
				return space{total: 10, free: 1, inodes: 100, freeInodes: 2}, nil
			}
			return space{}, errors.New("no such folder")
		}}
		if _, err := d.read(t.Context()); !errors.Is(err, errHangs) {
			t.Error(err)
		}
		time.Sleep(10 * time.Second)
		one, err := d.read(t.Context())
		if want := (Disk{"/slow", 0.98, 9, 10}); err != nil || one != want {
			t.Errorf("got %+v, %v", one, err)
		}
		if _, err := d.read(t.Context()); err == nil {
			t.Error("a disk that is not there is read")
		}
	})
}

// TestSampler_TellsOfPartsThatComeAndGo, once each.
func TestSampler_TellsOfPartsThatComeAndGo(t *testing.T) {
	needsLinks(t)
	synctest.Test(t, func(t *testing.T) {
		m := boot(t, bare)
		log := &lines{}
		s := m.sampler(Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
		s.Start()
		for range 3 {
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		if n := log.count("msg"); n != 0 {
			t.Errorf("nothing has changed, and there are %d lines:\n%s", n, log)
		}
		m.put(map[string]string{"proc/loadavg": "garbage"})
		time.Sleep(time.Minute)
		m.put(map[string]string{"proc/loadavg": bare["proc/loadavg"]})
		time.Sleep(time.Minute)
		synctest.Wait()
		if log.count("can't be read") != 1 || log.count("can be read again") != 1 || log.count("msg") != 2 {
			t.Errorf("the log is\n%s", log)
		}
	})
}

// TestSampler_SurvivesAPanic of what reads a part.
func TestSampler_SurvivesAPanic(t *testing.T) {
	s := &Sample{}
	s.part("load", func() error { panic("what is this") })
	if lacking(s, "load") == "" {
		t.Error("the part is not missing")
	}
}

func TestNew_RefusesMistakesOfTheProgram(t *testing.T) {
	for name, opts := range map[string]Options{
		"interval":        {Interval: time.Millisecond},
		"negative":        {Interval: -time.Second},
		"disk":            {Disks: []string{""}},
		"disk of bytes":   {Disks: []string{"/\xff"}},
		"CPU":             {Thresholds: Thresholds{CPU: 80}},
		"NaN":             {Thresholds: Thresholds{Disk: math.NaN()}},
		"margin":          {Thresholds: Thresholds{Margin: 5}},
		"readings":        {Thresholds: Thresholds{Readings: -1}},
		"URL":             {Push: PushOptions{URL: "collector:80"}},
		"URL of garbage":  {Push: PushOptions{URL: "http://secret\x7f"}},
		"URL with a user": {Push: PushOptions{URL: "http://secret:secret@collector/"}},
		"push interval":   {Push: PushOptions{URL: "http://collector/", Interval: -1}},
		"push timeout":    {Push: PushOptions{URL: "http://collector/", Timeout: -1}},
		"push backoff":    {Push: PushOptions{URL: "http://collector/", MaxBackoff: -1}},
	} {
		s, err := New(opts)
		if !errors.Is(err, core.ErrInvalid) || s != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells a secret: %v", name, err)
		}
	}
	s, err := New(Options{Disks: []string{"/", "/", "/data"}})
	if err != nil || len(s.reader.disks) != 2 {
		t.Errorf("disks are %v, %v", s.opts.Disks, err)
	}
	if s, err := New(Options{Disks: []string{}}); err != nil || len(s.reader.disks) != 0 {
		t.Error("no disks are not none")
	}
	if s, err := New(Options{}); err != nil || !slices.Equal(s.opts.Disks, []string{"/"}) || s.opts.Interval != 15*time.Second {
		t.Errorf("the defaults are %+v", s.opts)
	}
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) count(text string) int { return strings.Count(l.String(), text) }
