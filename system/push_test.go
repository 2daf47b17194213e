package system

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-go/holdfast/core"
)

// collector answers pushes in the process, so that time can be made up.
type collector struct {
	mu     sync.Mutex
	answer func(n int) (*http.Response, error)
	at     []time.Time
	taken  []string // taken_at of each
}

func (c *collector) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var d document
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.at = append(c.at, time.Now())
	c.taken = append(c.taken, d.TakenAt.Format("04:05"))
	n := len(c.at)
	c.mu.Unlock()
	return c.answer(n)
}

func (c *collector) seen() ([]time.Time, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at, c.taken
}

func status(code int, header ...string) (*http.Response, error) {
	r := &http.Response{StatusCode: code, Header: make(http.Header), Body: http.NoBody}
	if len(header) == 2 {
		r.Header.Set(header[0], header[1])
	}
	return r, nil
}

func pushing(c *collector, more PushOptions) PushOptions {
	more.URL, more.Client = "http://collector.example/samples?token=secret", &http.Client{Transport: c}
	return more
}

func TestPush_SendsEachSample(t *testing.T) {
	needsLinks(t)
	for _, row := range []struct {
		interval time.Duration
		want     []string
	}{
		{0, []string{"00:00", "00:01", "00:15", "00:30", "00:45", "01:00"}},
		{15 * time.Second, []string{"00:00", "00:15", "00:30", "00:45", "01:00"}},
		{30 * time.Second, []string{"00:00", "00:30", "01:00"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := &collector{answer: func(int) (*http.Response, error) { return status(204) }}
			s := boot(t, bare, v2).sampler(Options{Push: pushing(c, PushOptions{Interval: row.interval})})
			s.Start()
			time.Sleep(time.Minute)
			synctest.Wait()
			if _, taken := c.seen(); !cmp.Equal(taken, row.want) {
				t.Errorf("interval %v: sent are %v, want %v", row.interval, taken, row.want)
			}
			st, ok := s.Pushes()
			if !ok || st.Sent != uint64(len(row.want)) || st.Failed != 0 || st.Err != nil || time.Since(st.LastSent) > 0 {
				t.Errorf("got %+v, %v", st, ok)
			}
		})
	}
}

// TestPush_BacksOffAndSendsTheNewest: waits double, have jitter and a bound; the
// newest sample alone is sent, and one line is logged per change.
func TestPush_BacksOffAndSendsTheNewest(t *testing.T) {
	needsLinks(t)
	synctest.Test(t, func(t *testing.T) {
		log := &lines{}
		healed := time.Now().Add(20 * time.Minute)
		c := &collector{answer: func(int) (*http.Response, error) {
			if time.Now().Before(healed) {
				return nil, errors.New("connection refused")
			}
			return status(200)
		}}
		s := boot(t, bare).sampler(Options{Logger: slog.New(slog.NewTextHandler(log, nil)), Push: pushing(c, PushOptions{MaxBackoff: time.Minute})})
		s.Start()
		time.Sleep(25 * time.Minute)
		synctest.Wait()
		at, taken := c.seen()
		limit := time.Second
		for i := 1; at[i-1].Before(healed); i++ {
			if wait := at[i].Sub(at[i-1]); wait < limit/2 || wait > limit {
				t.Errorf("wait %d is %v, want %v to %v", i, wait, limit/2, limit)
			}
			newest := at[i].Truncate(15 * time.Second)
			if passed := at[i].Sub(at[0]); passed >= time.Second && passed < 15*time.Second {
				newest = at[0].Add(time.Second)
			}
			if want := newest.Format("04:05"); taken[i] != want {
				t.Errorf("request %d has the sample of %s, want %s", i, taken[i], want)
			}
			limit = min(2*limit, time.Minute)
		}
		st, _ := s.Pushes()
		if st.Failed < 20 || st.Sent < 15 || st.Err != nil {
			t.Errorf("got %+v", st)
		}
		if log.count("takes no samples") != 1 || log.count("takes samples again") != 1 || log.count("secret") != 0 || log.count("msg") != 2 {
			t.Errorf("the log is\n%s", log)
		}
	})
}

func TestPush_HeedsWhatTheCollectorSays(t *testing.T) {
	needsLinks(t)
	for name, row := range map[string]struct {
		code        int
		header      string
		least, most time.Duration
		kind        error
	}{
		"busy":          {503, "", 500 * time.Millisecond, time.Second, core.ErrUnavailable},
		"seconds":       {503, "20", 20 * time.Second, 25 * time.Second, core.ErrUnavailable},
		"throttled":     {429, "30", 30 * time.Second, 38 * time.Second, core.ErrThrottled},
		"a date":        {503, time.Date(2000, 1, 1, 0, 0, 40, 0, time.UTC).Format(http.TimeFormat), 40 * time.Second, 50 * time.Second, core.ErrUnavailable},
		"for ever":      {503, "999999", time.Minute, 75 * time.Second, core.ErrUnavailable},
		"the past":      {503, time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC).Format(http.TimeFormat), 500 * time.Millisecond, time.Second, core.ErrUnavailable},
		"garbage":       {503, "-5", 500 * time.Millisecond, time.Second, core.ErrUnavailable},
		"more garbage":  {503, "99999999999999999999", 500 * time.Millisecond, time.Second, core.ErrUnavailable},
		"slow":          {408, "", 500 * time.Millisecond, time.Second, core.ErrUnavailable},
		"denied":        {401, "", 30 * time.Second, time.Minute, core.ErrDenied},
		"malformed":     {400, "", 30 * time.Second, time.Minute, core.ErrDenied},
		"elsewhere":     {302, "", 30 * time.Second, time.Minute, core.ErrDenied},
		"denied longer": {403, "50", 50 * time.Second, 63 * time.Second, core.ErrDenied},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &collector{answer: func(n int) (*http.Response, error) {
					if n == 1 {
						r, err := status(row.code, "Retry-After", row.header)
						r.Header.Set("Location", "http://elsewhere.example/")
						return r, err
					}
					return status(200)
				}}
				s := boot(t, bare).sampler(Options{Push: pushing(c, PushOptions{MaxBackoff: time.Minute})})
				s.Start()
				synctest.Wait()
				st, _ := s.Pushes()
				if !errors.Is(st.Err, row.kind) || !strings.HasPrefix(st.Err.Error(), "collector.example: ") || strings.Contains(st.Err.Error(), "secret") {
					t.Errorf("the error is %v", st.Err)
				}
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				at, _ := c.seen()
				if wait := at[1].Sub(at[0]); wait < row.least || wait > row.most {
					t.Errorf("it waited %v, want %v to %v", wait, row.least, row.most)
				}
			})
		})
	}
}

// TestPush_HangsAlone: a collector that never answers costs no sample, and Close
// ends the request.
func TestPush_HangsAlone(t *testing.T) {
	needsLinks(t)
	synctest.Test(t, func(t *testing.T) {
		c := &collector{}
		hang := roundTripper(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})
		opts := pushing(c, PushOptions{})
		opts.Client = &http.Client{Transport: hang}
		s := boot(t, bare).sampler(Options{Push: opts})
		began := time.Now()
		s.Start()
		time.Sleep(time.Minute)
		synctest.Wait()
		if one, _ := s.Sample(); one.TakenAt.Sub(began) != time.Minute {
			t.Errorf("the newest sample is of %v", one.TakenAt.Sub(began))
		}
		st, _ := s.Pushes()
		if st.Failed < 4 || !errors.Is(st.Err, context.DeadlineExceeded) || !errors.Is(st.Err, core.ErrUnavailable) || !strings.Contains(st.Err.Error(), "5s") {
			t.Errorf("got %+v", st)
		}
		time.Sleep(11 * time.Second)
		before := time.Now()
		if err := s.Close(t.Context()); err != nil || time.Since(before) > 0 {
			t.Errorf("Close took %v, %v", time.Since(before), err)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// TestPush_ToARealServer that fails, sends elsewhere, and works.
func TestPush_ToARealServer(t *testing.T) {
	needsLinks(t)
	strayed := make(chan struct{}, 10)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed <- struct{}{} }))
	defer elsewhere.Close()
	bodies := make(chan string, 10)
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if n++; n == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil || req.Method != http.MethodPost || req.URL.Path != "/samples" || req.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %v, %v", req.Method, req.URL, req.Header, err)
		}
		if n == 2 {
			http.Redirect(w, req, elsewhere.URL, http.StatusTemporaryRedirect)
			return
		}
		_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
		select {
		case bodies <- string(body):
		default:
		}
	}))
	defer server.Close()
	m := boot(t, bare, v2)
	s := m.sampler(Options{Interval: shortest, Push: PushOptions{
		URL: server.URL + "/samples", MaxBackoff: 50 * time.Millisecond, Labels: map[string]string{"service": "orders", "bad": "\xff"},
	}})
	s.Start()
	var body string
	select {
	case body = <-bodies:
	case <-time.After(20 * time.Second):
		st, _ := s.Pushes()
		t.Fatalf("nothing came: %+v", st)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if len(strayed) > 0 {
		t.Error("a redirect was followed")
	}
	var d map[string]any
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"service": "orders", "bad": "?"}, d["labels"]); diff != "" || d["version"] != 1.0 {
		t.Errorf("%s in %s", diff, body)
	}
}

// TestDocument_IsAsDocumented pins what collectors read; docs/metrics.md shows it.
func TestDocument_IsAsDocumented(t *testing.T) {
	s := Sample{
		TakenAt: time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC),
		Host: Scope{
			CPU: &CPU{UsedCores: 1, LimitCores: 2}, Memory: &Memory{UsedBytes: 2, LimitBytes: 8}, Pressure: &Pressure{0.1, 0.2, 0.3},
		},
		Cgroup:        Scope{CPU: &CPU{UsedCores: 0.25, LimitCores: 0.5, Limited: true, Throttled: 1500 * time.Millisecond}, Memory: &Memory{UsedBytes: 3}},
		CgroupVersion: "v2", Load: &Load{0.5, 1.25, 2}, Disks: []Disk{{"/", 0.91, 91, 100}},
		Missing: []Missing{{Part: "cgroup.pressure", Reason: "no such file"}}, Reasons: []string{"disk /: 91.0 %, the threshold is 90 %"},
	}
	got, err := s.document(map[string]string{"service": "orders"})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":1,"labels":{"service":"orders"},"taken_at":"2026-01-05T10:00:00Z","degraded":true,"reasons":["disk /: 91.0 %, the threshold is 90 %"],` +
		`"host":{"cpu_ratio":0.5,"cpu_used_cores":1,"cpu_limit_cores":2,"memory_ratio":0.25,"memory_used_bytes":2,"memory_limit_bytes":8,"pressure_ratio":{"cpu":0.1,"memory":0.2,"io":0.3}},` +
		`"cgroup":{"version":"v2","cpu_ratio":0.5,"cpu_used_cores":0.25,"cpu_limit_cores":0.5,"cpu_throttled_seconds":1.5,"memory_used_bytes":3},` +
		`"load":{"1m":0.5,"5m":1.25,"15m":2},"disks":[{"path":"/","used_ratio":0.91,"used_bytes":91,"size_bytes":100}],"missing":{"cgroup.pressure":"no such file"}}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if got, err := (&Sample{}).document(nil); err != nil || string(got) != `{"version":1,"taken_at":"0001-01-01T00:00:00Z","degraded":false}` {
		t.Errorf("an empty sample is %s, %v", got, err)
	}
}
