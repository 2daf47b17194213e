package policy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

// wire is a transport of a test.
type wire func(*http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

// tracked is a body that knows whether it was read and closed.
type tracked struct {
	io.Reader
	read, closed atomic.Bool
}

func (b *tracked) Read(p []byte) (int, error) {
	b.read.Store(true)
	return b.Reader.Read(p)
}

func (b *tracked) Close() error {
	b.closed.Store(true)
	return nil
}

// script answers one request after the other with a status, or an error for 0.
type script struct {
	mu       sync.Mutex
	statuses []int
	header   http.Header
	at       []time.Time
	sent     []string // the bodies
	bodies   []*tracked
}

var errDial = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	text := ""
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		text = string(b)
		_ = r.Body.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.at)
	s.at, s.sent = append(s.at, time.Now()), append(s.sent, text)
	status := s.statuses[min(n, len(s.statuses)-1)]
	switch status {
	case 0:
		return nil, io.ErrUnexpectedEOF
	case 1:
		return nil, errDial
	}
	b := &tracked{Reader: strings.NewReader(fmt.Sprint("body ", n))}
	s.bodies = append(s.bodies, b)
	return &http.Response{StatusCode: status, Header: s.header.Clone(), Body: b, Request: r}, nil
}

func send(t *testing.T, rt http.RoundTripper, method string, body io.Reader, headers ...string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1/", body)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		req.Header.Set(h, "x")
	}
	return rt.RoundTrip(req)
}

func TestRoundTripper_SendsAgainOnlyWhatIsSafe(t *testing.T) {
	anew := func() io.Reader { return strings.NewReader("text") } // http.NewRequest gives it a GetBody
	once := func() io.Reader { return io.MultiReader(strings.NewReader("text")) }
	none := func() io.Reader { return nil }
	for _, row := range []struct {
		name, method string
		body         func() io.Reader
		header       []string
		statuses     []int
		sent, want   int // how often, and the status that comes out; 0 is an error
	}{
		{"GET", "GET", none, nil, []int{503, 0, 200}, 3, 200},
		{"the last response", "GET", none, nil, []int{500, 502, 503}, 3, 503},
		{"the last error", "GET", none, nil, []int{500, 502, 0}, 3, 0},
		{"what is no failure", "GET", none, nil, []int{404}, 1, 404},
		{"PUT, body anew", "PUT", anew, nil, []int{503, 0, 200}, 3, 200},
		{"PUT, body once", "PUT", once, nil, []int{503, 200}, 1, 503},
		{"PUT, body once, refused", "PUT", once, nil, []int{1, 200}, 1, 0},
		{"POST", "POST", anew, nil, []int{503, 200}, 1, 503},
		{"POST, broken off", "POST", anew, nil, []int{0, 200}, 1, 0},
		{"POST without a body", "POST", none, nil, []int{503, 200}, 1, 503},
		{"POST, refused", "POST", anew, nil, []int{1, 1, 200}, 3, 200},
		{"POST, throttled", "POST", anew, nil, []int{429, 503, 200}, 2, 503},
		{"POST with a key", "POST", anew, []string{"Idempotency-Key"}, []int{503, 0, 200}, 3, 200},
		{"PATCH", "PATCH", anew, nil, []int{500, 200}, 1, 500},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{statuses: row.statuses}
			var body io.Reader
			if b := row.body(); b != nil {
				body = b
			}
			resp, err := send(t, policy.RoundTripper(policy.Must(policy.Retry{}), s), row.method, body, row.header...)
			if len(s.at) != row.sent {
				t.Errorf("%s: sent %d times, want %d", row.name, len(s.at), row.sent)
			}
			if slices.ContainsFunc(s.sent, func(b string) bool { return b != s.sent[0] }) {
				t.Errorf("%s: the bodies were %q", row.name, s.sent)
			}
			left := s.bodies
			if row.want == 0 {
				if err == nil || strings.Contains(fmt.Sprintf("%T", err), "unrepeatable") {
					t.Errorf("%s: got %v, %T", row.name, resp, err)
				}
			} else {
				if err != nil || resp.StatusCode != row.want {
					t.Fatalf("%s: got %v, %v; want %d", row.name, resp, err, row.want)
				}
				handed := left[len(left)-1]
				left = left[:len(left)-1]
				if handed.read.Load() || handed.closed.Load() {
					t.Errorf("%s: the body was touched", row.name)
				}
				if text, err := io.ReadAll(resp.Body); !strings.HasPrefix(string(text), "body") || err != nil {
					t.Errorf("%s: body %q, %v", row.name, text, err)
				}
				if err := resp.Body.Close(); err != nil || !handed.closed.Load() {
					t.Errorf("%s: not closed: %v", row.name, err)
				}
			}
			for i, b := range left {
				if !b.read.Load() || !b.closed.Load() {
					t.Errorf("%s: body %d was not read and closed", row.name, i)
				}
			}
		})
	}
}

func TestRoundTripper_HonoursRetryAfter(t *testing.T) {
	for _, row := range []struct {
		name, after string
		date        time.Duration // of the server's clock against ours; 0 is no Date
		want        []time.Duration
	}{
		{"seconds", "3", 0, []time.Duration{0, 3 * time.Second}},
		{"date", "+4s", 0, []time.Duration{0, 4 * time.Second}},
		{"date, their clock is wrong", "+4s", time.Hour, []time.Duration{0, 4 * time.Second}},
		{"longer than MaxDelay", "6", 0, []time.Duration{0}},
		{"for ever", "99999999999999999", 0, []time.Duration{0}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{statuses: []int{503, 200}, header: http.Header{}}
			began := time.Now()
			theirs := began.Add(row.date)
			if row.date != 0 {
				s.header.Set("Date", theirs.UTC().Format(http.TimeFormat))
			}
			if d, ok := strings.CutPrefix(row.after, "+"); ok {
				wait, err := time.ParseDuration(d)
				if err != nil {
					t.Fatal(err)
				}
				row.after = theirs.Add(wait).UTC().Format(http.TimeFormat)
			}
			s.header.Set("Retry-After", row.after)
			resp, err := send(t, policy.RoundTripper(policy.Must(policy.Retry{MaxDelay: 5 * time.Second}), s), "GET", nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			var got []time.Duration
			for _, at := range s.at {
				got = append(got, at.Sub(began))
			}
			if !slices.Equal(got, row.want) {
				t.Errorf("%s: sent at %v, want %v", row.name, got, row.want)
			}
		})
	}
	for _, nonsense := range []string{"", "soon", "-1", "Fri, 01 Jan 1999 00:00:00 GMT"} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{statuses: []int{503, 200}, header: http.Header{"Retry-After": {nonsense}}}
			began := time.Now()
			resp, err := send(t, policy.RoundTripper(policy.Must(policy.Retry{Delay: time.Second, MaxDelay: time.Second}), s), "GET", nil)
			if err != nil || resp.StatusCode != http.StatusOK || time.Since(began) > time.Second {
				t.Errorf("%q: got %v, %v after %v", nonsense, resp, err, time.Since(began))
			}
		})
	}
}

func TestRoundTripper_BreakerCountsStatuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{statuses: []int{500}}
		chain := policy.Must(policy.Retry{MaxAttempts: 5}, policy.Breaker{MinCalls: 3})
		rt := policy.RoundTripper(chain, s)
		resp, err := send(t, rt, "GET", nil)
		// The third one opens the breaker, the fourth try is refused: the response before is the last.
		if err != nil || resp.StatusCode != http.StatusInternalServerError || len(s.at) != 3 {
			t.Fatalf("got %v, %v after %d requests", resp, err, len(s.at))
		}
		if text, err := io.ReadAll(resp.Body); string(text) != "body 2" || err != nil {
			t.Errorf("body %q, %v", text, err)
		}
		_ = resp.Body.Close()
		b := &tracked{Reader: strings.NewReader("text")}
		if _, err := send(t, rt, "PUT", b); !errors.Is(err, policy.ErrOpen) || !b.closed.Load() || len(s.at) != 3 {
			t.Errorf("open: %v, closed %v, %d requests", err, b.closed.Load(), len(s.at))
		}
	})
}

func TestRoundTripper_ATimeoutDoesNotCutTheBody(t *testing.T) {
	const perTry = 500 * time.Millisecond
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			<-r.Context().Done() // slow to answer: this try is cut
			return
		}
		_ = http.NewResponseController(w).Flush()
		select { // slow to send: that is the caller's business
		case <-time.After(2 * perTry):
			_, _ = io.WriteString(w, "whole")
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	client := &http.Client{Transport: policy.RoundTripper(policy.Must(
		policy.Timeout{After: 4 * perTry}, policy.Retry{Delay: time.Millisecond}, policy.Timeout{After: perTry},
	), server.Client().Transport)}
	get := func(ctx context.Context) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			return "", err
		}
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		return string(text), err
	}
	if text, err := get(t.Context()); text != "whole" || err != nil || requests.Load() != 2 {
		t.Errorf("got %q, %v after %d requests", text, err, requests.Load())
	}
	ctx, cancel := context.WithTimeout(t.Context(), perTry)
	defer cancel()
	if text, err := get(ctx); text != "" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller's own deadline: got %q, %v", text, err)
	}
}

func TestRoundTripper_ATryThatIsTooSlowIsATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		rt := policy.RoundTripper(policy.Must(policy.Retry{}, policy.Timeout{After: time.Second}), wire(func(r *http.Request) (*http.Response, error) {
			n++
			<-r.Context().Done()
			return nil, context.Cause(r.Context())
		}))
		if _, err := send(t, rt, "GET", nil); !errors.Is(err, policy.ErrTimeout) || n != 3 {
			t.Errorf("got %v after %d tries", err, n)
		}
		// What may have had its effect is not sent again.
		if _, err := send(t, rt, "POST", strings.NewReader("x")); !errors.Is(err, policy.ErrTimeout) || n != 4 {
			t.Errorf("POST: got %v after %d tries", err, n-3)
		}
	})
}

func TestRoundTripper_ReusesTheConnectionOfWhatItGivesUp(t *testing.T) {
	var connections, requests atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1)%3 != 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 10_000))
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	client := &http.Client{Transport: policy.RoundTripper(policy.Must(policy.Retry{Delay: time.Millisecond}), server.Client().Transport)}
	for range 5 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp, err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Error(err)
		}
		_ = resp.Body.Close()
	}
	if n := connections.Load(); n != 1 || requests.Load() != 15 {
		t.Errorf("%d requests took %d connections, want 15 and 1", requests.Load(), n)
	}
	client.CloseIdleConnections()
}

func TestRoundTripper_AnEndlessBodyIsNotReadForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		var first *tracked
		rt := policy.RoundTripper(policy.Must(policy.Retry{MaxDelay: time.Millisecond}), wire(func(r *http.Request) (*http.Response, error) {
			if n++; n > 1 {
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
			}
			first = &tracked{Reader: stalled{r.Context()}}
			return &http.Response{StatusCode: http.StatusBadGateway, Body: first}, nil
		}))
		began := time.Now()
		resp, err := send(t, rt, "GET", nil)
		if err != nil || resp.StatusCode != http.StatusOK || !first.closed.Load() {
			t.Errorf("got %v, %v; closed %v", resp, err, first.closed.Load())
		}
		if d := time.Since(began); d > 102*time.Millisecond {
			t.Errorf("took %v", d)
		}
	})
}

// stalled is a body that never comes.
type stalled struct{ ctx context.Context }

func (s stalled) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, context.Cause(s.ctx)
}

func TestRoundTripper_HedgesOnlyWhatIsSafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		slow := &tracked{Reader: strings.NewReader("slow")}
		rt := policy.RoundTripper(policy.Must(policy.Hedge{Delay: 100 * time.Millisecond}), wire(func(*http.Request) (*http.Response, error) {
			if n.Add(1) == 1 {
				time.Sleep(time.Second) // and answers although its ctx ended
				return &http.Response{StatusCode: http.StatusOK, Body: slow}, nil
			}
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("fast"))}, nil
		}))
		resp, err := send(t, rt, "GET", nil)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(resp.Body); string(text) != "fast" || err != nil {
			t.Errorf("got %q, %v", text, err)
		}
		_ = resp.Body.Close()
		time.Sleep(2 * time.Second)
		if !slow.closed.Load() {
			t.Error("the body of the loser stays open")
		}
		n.Store(0)
		resp, err = send(t, rt, "POST", nil)
		if err != nil || n.Load() != 1 {
			t.Errorf("POST: got %v, %v after %d requests", resp, err, n.Load())
		}
	})
}

func TestRoundTripper_ACancelIsTheCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{statuses: []int{503}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := policy.RoundTripper(policy.Must(policy.Retry{}), s).RoundTrip(req); !errors.Is(err, context.Canceled) || errors.Is(err, core.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

func TestRoundTripper_APanicPassesThrough(t *testing.T) {
	defer func() {
		if r := recover(); r != "boom" {
			t.Errorf("panicked with %v", r)
		}
	}()
	_, err := send(t, policy.RoundTripper(policy.Must(policy.Retry{}), wire(func(*http.Request) (*http.Response, error) { panic("boom") })), "GET", nil)
	t.Errorf("no panic, but %v", err)
}
