package holdfast_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

// backends are instances of "inventory" that answer over real connections.
type backends struct {
	t        *testing.T
	registry core.Registry
	svc      *holdfast.Service
	peers    *holdfast.Endpoints
}

func newBackends(t *testing.T) *backends {
	t.Helper()
	store := memory.New(memory.Options{})
	t.Cleanup(store.Close)
	b := &backends{t: t, registry: store.Registry()}
	svc, err := holdfast.Start(t.Context(), holdfast.Options{Name: "orders", Registry: b.registry, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = svc.Close(context.WithoutCancel(t.Context())) })
	b.svc, b.peers = svc, svc.Endpoints("inventory")
	if err := b.peers.WaitLevel(t.Context(), core.Live); err != nil {
		t.Fatal(err)
	}
	return b
}

// add registers an instance at URLs, and waits until it is found.
func (b *backends) add(id string, endpoints ...string) {
	b.t.Helper()
	err := b.registry.Register(b.t.Context(), core.Registration{
		Instance: core.Instance{ID: id, Service: "inventory", Endpoints: endpoints}, Owner: "test", TTL: time.Hour,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	for all := range b.peers.Changes(b.t.Context()) {
		for _, in := range all {
			if in.ID == id {
				return
			}
		}
	}
}

// serve adds an instance with a handler, and returns its address.
func (b *backends) serve(id string, h http.HandlerFunc) *httptest.Server {
	b.t.Helper()
	s := httptest.NewServer(h)
	b.t.Cleanup(s.Close)
	b.add(id, s.URL)
	return s
}

// dead returns the URL of an address that refuses connections.
func dead(t *testing.T) string {
	t.Helper()
	var config net.ListenConfig
	ln, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return "http://" + ln.Addr().String()
}

func (b *backends) client(next http.RoundTripper, o holdfast.TransportOptions) *http.Client {
	b.t.Helper()
	if next == nil {
		own := &http.Transport{}
		b.t.Cleanup(own.CloseIdleConnections)
		next = own
	}
	rt, err := holdfast.NewTransport(b.svc, next, o)
	if err != nil {
		b.t.Fatal(err)
	}
	return &http.Client{Transport: rt, Timeout: 10 * time.Second}
}

func ask(t *testing.T, c *http.Client, method, url, body string) (int, string, error) {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, r)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, text+" "+r.Method+" "+r.Host+" "+string(body))
	}
}

func TestTransport_FindsAServiceByItsName(t *testing.T) {
	b := newBackends(t)
	b.serve("a", says("a"))
	b.serve("b", says("b"))
	c := b.client(nil, holdfast.TransportOptions{PickEvenly: true})
	seen := make(map[string]int)
	for range 40 {
		code, text, err := ask(t, c, http.MethodPost, "http://inventory/items?x=1", "body")
		if err != nil || code != http.StatusOK {
			t.Fatal(code, err)
		}
		seen[text]++
	}
	if len(seen) != 2 || seen["a POST inventory body"] == 0 || seen["b POST inventory body"] == 0 {
		t.Errorf("answers: %v", seen)
	}
}

func TestTransport_GoesToAnotherInstance(t *testing.T) {
	for name, c := range map[string]struct {
		bad    func(b *backends, hits *atomic.Int64)
		method string
		header string
		fails  bool
	}{
		"refused, GET":          {bad: refused, method: http.MethodGet},
		"refused, POST":         {bad: refused, method: http.MethodPost},
		"reset, GET":            {bad: reset, method: http.MethodGet},
		"reset, POST":           {bad: reset, method: http.MethodPost, fails: true},
		"reset, POST with key":  {bad: reset, method: http.MethodPost, header: "Idempotency-Key"},
		"silent, GET":           {bad: silent, method: http.MethodGet},
		"503, PUT":              {bad: status(http.StatusServiceUnavailable), method: http.MethodPut},
		"502, GET":              {bad: status(http.StatusBadGateway), method: http.MethodGet},
		"503, POST":             {bad: status(http.StatusServiceUnavailable), method: http.MethodPost, fails: true},
		"500, GET":              {bad: status(http.StatusInternalServerError), method: http.MethodGet, fails: true},
		"no such scheme, PATCH": {bad: func(b *backends, _ *atomic.Int64) { b.add("bad", "grpc://127.0.0.1:1") }, method: http.MethodPatch},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackends(t)
			var hits atomic.Int64
			c.bad(b, &hits)
			b.serve("good", says("good"))
			client := b.client(nil, holdfast.TransportOptions{PickEvenly: true, TryTimeout: 300 * time.Millisecond})
			const requests = 12
			failed, answered := 0, 0
			for range requests {
				req, err := http.NewRequestWithContext(t.Context(), c.method, "http://inventory/", strings.NewReader("body"))
				if err != nil {
					t.Fatal(err)
				}
				if c.header != "" {
					req.Header.Set(c.header, "1")
				}
				resp, err := client.Do(req)
				if err != nil || resp.StatusCode != http.StatusOK {
					failed++
				} else if text, err := io.ReadAll(resp.Body); err == nil && string(text) == "good "+c.method+" inventory body" {
					answered++
				}
				if err == nil {
					_ = resp.Body.Close()
				}
			}
			want := 0
			if c.fails {
				want = int(hits.Load()) // once each
			}
			if failed != want || answered != requests-want {
				t.Errorf("%d of %d failed and %d were answered; want %d failures", failed, requests, answered, want)
			}
			if c.fails && want == 0 {
				t.Error("the bad instance was never asked")
			}
		})
	}
}

func refused(b *backends, _ *atomic.Int64) { b.add("bad", dead(b.t)) }

func reset(b *backends, hits *atomic.Int64) {
	b.serve("bad", func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		_, _ = io.ReadAll(r.Body)
		panic(http.ErrAbortHandler)
	})
}

func silent(b *backends, hits *atomic.Int64) {
	b.serve("bad", func(_ http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		_, _ = io.ReadAll(r.Body)
		<-r.Context().Done()
	})
}

func status(code int) func(*backends, *atomic.Int64) {
	return func(b *backends, hits *atomic.Int64) {
		b.serve("bad", func(w http.ResponseWriter, _ *http.Request) {
			hits.Add(1)
			w.WriteHeader(code)
		})
	}
}

func TestTransport_ARelativeRedirectStaysWithTheService(t *testing.T) {
	b := newBackends(t)
	b.serve("a", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/old" {
			w.Header().Set("Location", "/new")
			w.WriteHeader(http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, r.Host+r.URL.Path)
	})
	c := b.client(nil, holdfast.TransportOptions{})
	if code, text, err := ask(t, c, http.MethodGet, "http://inventory/old", ""); err != nil || code != http.StatusOK || text != "inventory/new" {
		t.Errorf("got %d %q %v", code, text, err)
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://inventory/old", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if to, err := resp.Location(); err != nil || to.String() != "http://inventory/new" {
		t.Errorf("the location is %v, %v", to, err)
	}
}

func TestTransport_HandsTheLastResponseToTheCaller(t *testing.T) {
	b := newBackends(t)
	var hits atomic.Int64
	for _, id := range []string{"a", "b", "c", "d"} {
		b.serve(id, func(w http.ResponseWriter, _ *http.Request) {
			hits.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "busy")
		})
	}
	code, text, err := ask(t, b.client(nil, holdfast.TransportOptions{Tries: 2}), http.MethodGet, "http://inventory/", "")
	if err != nil || code != http.StatusServiceUnavailable || text != "busy" || hits.Load() != 2 {
		t.Errorf("got %d %q %v after %d tries; want the 503 after 2", code, text, err, hits.Load())
	}
}

// A deadline is divided among the tries, so that one silent instance does not use it
// up.
func TestTransport_ASilentInstanceLeavesTimeForAnother(t *testing.T) {
	b := newBackends(t)
	var hits atomic.Int64
	silent(b, &hits)
	b.serve("good", says("good"))
	c := b.client(nil, holdfast.TransportOptions{PickEvenly: true})
	c.Timeout = 2 * time.Second
	for range 2 {
		began := time.Now()
		if code, _, err := ask(t, c, http.MethodGet, "http://inventory/", ""); err != nil || code != http.StatusOK {
			t.Errorf("got %d %v after %v", code, err, time.Since(began))
		}
	}
	if hits.Load() == 0 {
		t.Error("the silent instance was never asked")
	}
}

// What takes long to read is not cut off by the time of a try.
func TestTransport_ALongBodyIsReadToItsEnd(t *testing.T) {
	b := newBackends(t)
	for _, id := range []string{"a", "b"} {
		b.serve(id, func(w http.ResponseWriter, _ *http.Request) {
			for range 5 {
				_, _ = io.WriteString(w, "x")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(60 * time.Millisecond)
			}
		})
	}
	c := b.client(nil, holdfast.TransportOptions{TryTimeout: 100 * time.Millisecond})
	if code, text, err := ask(t, c, http.MethodGet, "http://inventory/", ""); err != nil || code != http.StatusOK || text != "xxxxx" {
		t.Errorf("got %d %q %v", code, text, err)
	}
}

func TestTransport_FailuresEject(t *testing.T) {
	b := newBackends(t)
	var hits atomic.Int64
	reset(b, &hits)
	b.serve("x", says("x"))
	b.serve("y", says("y"))
	c := b.client(nil, holdfast.TransportOptions{PickEvenly: true})
	for range 100 {
		if code, _, err := ask(t, c, http.MethodGet, "http://inventory/", ""); err != nil || code != http.StatusOK {
			t.Fatal(code, err)
		}
	}
	// It answers the probe that lets it return, and fails once each time.
	if n := hits.Load(); n < 5 || n > 10 {
		t.Errorf("the instance that fails was asked %d times in 100 requests; want about 5", n)
	}
	if b.svc.Status().Events[holdfast.EventEjected] == 0 {
		t.Error("nothing was ejected")
	}
}

// watched is a body that can't be made anew, and tells whether it was closed.
type watched struct {
	io.Reader
	closed atomic.Int64
}

func (w *watched) Close() error {
	w.closed.Add(1)
	return nil
}

func TestTransport_SendsABodyOnceAndClosesItAlways(t *testing.T) {
	b := newBackends(t)
	b.add("bad", "grpc://127.0.0.1:1") // not of this scheme
	c := b.client(nil, holdfast.TransportOptions{PickEvenly: true})
	post := func() (string, *watched, error) {
		body := &watched{Reader: strings.NewReader("stream")}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://inventory/", body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			return "", body, err
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		return string(text), body, err
	}
	if _, body, err := post(); !errors.Is(err, core.ErrInvalid) || body.closed.Load() == 0 {
		t.Errorf("with no endpoint of the scheme: %v, closed %d times", err, body.closed.Load())
	}
	b.serve("good", says("good"))
	for range 8 {
		if text, body, err := post(); err != nil || text != "good POST inventory stream" || body.closed.Load() == 0 {
			t.Errorf("got %q, %v, closed %d times", text, err, body.closed.Load())
		}
	}
	for name, target := range map[string]string{"unknown": "http://invoices/", "empty": "http://empty/"} {
		b.svc.Endpoints("empty")
		body := &watched{Reader: strings.NewReader("stream")}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		if err == nil || body.closed.Load() == 0 {
			t.Errorf("%s: %v, closed %d times", name, err, body.closed.Load())
		}
	}
}

func TestTransport_SaysAtOnceThatThereIsNobody(t *testing.T) {
	b := newBackends(t)
	c := b.client(nil, holdfast.TransportOptions{})
	_, _, err := ask(t, c, http.MethodGet, "http://inventory/", "")
	if !errors.Is(err, holdfast.ErrNoInstance) || !strings.Contains(err.Error(), `"inventory"`) || !strings.Contains(err.Error(), "level live") {
		t.Errorf("got %v", err)
	}
	_, _, err = ask(t, c, http.MethodPost, "http://invoices/", "body")
	if !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), `svc.Endpoints("invoices")`) {
		t.Errorf("a service that was not asked for: got %v", err)
	}
	if n := len(b.svc.Status().Endpoints); n != 1 {
		t.Errorf("%d services are watched; want the one that the program named", n)
	}
	// Other hosts are none of its business.
	s := httptest.NewServer(says("direct"))
	defer s.Close()
	if code, text, err := ask(t, c, http.MethodGet, s.URL, ""); err != nil || code != http.StatusOK || !strings.HasPrefix(text, "direct") {
		t.Errorf("another host: got %d %q %v", code, text, err)
	}
	// A mistake shows with the first request.
	broken := &http.Client{Transport: holdfast.Transport(nil, nil)}
	if _, _, err := ask(t, broken, http.MethodPost, "http://inventory/", "body"); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("without a service: got %v", err)
	}
	for _, o := range []holdfast.TransportOptions{{Tries: 11}, {Tries: -1}, {TryTimeout: -1}, {Picker: holdfast.PickerOptions{Strategy: 77}}} {
		if _, err := holdfast.NewTransport(b.svc, nil, o); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%+v: got %v", o, err)
		}
	}
}

func TestTransport_AsksForCertificatesOfTheService(t *testing.T) {
	b := newBackends(t)
	s := httptest.NewUnstartedServer(says("secure"))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	defer s.Close()
	b.add("a", "http://127.0.0.1:1", s.URL)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	for name, right := range map[string]bool{"example.com": true, "": false} { // the name in the certificate of httptest
		next := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}}
		code, _, err := ask(t, b.client(next, holdfast.TransportOptions{}), http.MethodGet, "https://inventory/", "")
		var mismatch x509.HostnameError
		switch {
		case right && (err != nil || code != http.StatusOK):
			t.Errorf("with a name of its own: %d %v", code, err)
		case !right && (!errors.As(err, &mismatch) || mismatch.Host != "inventory"):
			t.Errorf("the certificate was asked to be of something else: %v", err)
		}
		next.CloseIdleConnections()
	}
}

func TestTransport_StopsAtTheBudgetAndTheCallersEnd(t *testing.T) {
	b := newBackends(t)
	var hits atomic.Int64
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		b.serve(id, func(w http.ResponseWriter, _ *http.Request) {
			hits.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
	}
	c := b.client(nil, holdfast.TransportOptions{Tries: 5})
	const n = 200
	for range n {
		_, _, _ = ask(t, c, http.MethodGet, "http://inventory/", "")
	}
	// A fifth of the requests, ten at first and ten a second.
	if got := hits.Load(); got > n+n/5+10+50 {
		t.Errorf("%d requests became %d", n, got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://inventory/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := c.Do(req); !errors.Is(err, context.Canceled) {
		if err == nil {
			_ = resp.Body.Close()
		}
		t.Errorf("a cancelled request: %v", err)
	}
}
