package holdfast_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
)

func TestTransport_ACallerWhoGivesUpForAReasonEjectsNobody(t *testing.T) {
	b := newBackends(t)
	reached := make(chan struct{}, 1)
	slow := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
		}
		reached <- struct{}{}
		<-r.Context().Done()
	}
	b.serve("a", slow)
	b.serve("b", slow)
	c := b.client(nil, holdfast.TransportOptions{PickEvenly: true})
	c.Timeout = 0
	for _, path := range []string{"/", "/body"} {
		// An errgroup cancels with the first failure, which may be of another service.
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			<-reached
			cancel(&net.OpError{Op: "dial", Err: errors.New("refused, somewhere else")})
		}()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://inventory"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
		}
		if err == nil {
			t.Fatal("no error")
		}
		if out := b.peers.Status().Ejected; len(out) != 0 {
			t.Errorf("%s: ejected: %+v", path, out)
		}
	}
}

func TestTransport_OddURLs(t *testing.T) {
	b := newBackends(t)
	b.add("odd", "x", "http://")
	s := b.serve("good", says("good"))
	b.add("slash", s.URL+"/")
	own := &http.Transport{}
	t.Cleanup(own.CloseIdleConnections)
	rt, err := holdfast.NewTransport(b.svc, own, holdfast.TransportOptions{PickEvenly: true})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		for _, u := range []*url.URL{nil, {Host: "inventory", Path: "/"}} {
			resp, err := rt.RoundTrip((&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}}).WithContext(t.Context()))
			if err == nil {
				_ = resp.Body.Close()
				t.Errorf("%v is answered", u)
			}
		}
		code, _, err := ask(t, &http.Client{Transport: rt}, http.MethodGet, "http://inventory/", "")
		if err != nil || code != http.StatusOK {
			t.Error(code, err)
		}
	}
	if out := b.peers.Status().Ejected; len(out) != 0 {
		t.Errorf("ejected: %+v", out)
	}
}

// roundTripper is a function as a transport.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestTransport_TheOnlyOneThatWillDoHasAllTheTime(t *testing.T) {
	b := newBackends(t)
	b.add("a", "http://127.0.0.1:1")
	b.add("b", "http://127.0.0.1:2")
	for _, want := range []struct {
		version string
		bound   bool
	}{{"", true}, {"2", false}} {
		if err := b.registry.Register(t.Context(), core.Registration{
			Instance: core.Instance{ID: "c", Service: "inventory", Version: "2", Endpoints: []string{"http://127.0.0.1:3"}}, Owner: "test", TTL: time.Hour,
		}); err != nil {
			t.Fatal(err)
		}
		for all := range b.peers.Changes(t.Context()) {
			if len(all) == 3 {
				break
			}
		}
		bound := false
		rt, err := holdfast.NewTransport(b.svc, roundTripper(func(req *http.Request) (*http.Response, error) {
			bound = req.Context().Done() != nil
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}, nil
		}), holdfast.TransportOptions{TryTimeout: time.Hour, Picker: holdfast.PickerOptions{Only: holdfast.Subset{Version: want.version}}})
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, "http://inventory/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if bound != want.bound {
			t.Errorf("version %q: a try is bound: %v", want.version, bound)
		}
	}
}

func TestTransport_AsksThoseThatHaveTheScheme(t *testing.T) {
	b := newBackends(t)
	for id := 'a'; id <= 'n'; id++ {
		b.add(string(id), "grpc://127.0.0.1:1")
	}
	b.serve("x", says("x"))
	b.serve("y", says("y"))
	c := b.client(nil, holdfast.TransportOptions{})
	for i := range 200 {
		if code, _, err := ask(t, c, http.MethodGet, "http://inventory/", ""); err != nil || code != http.StatusOK {
			t.Fatalf("request %d: %d, %v", i, code, err)
		}
	}
}

func TestTransport_ARequestThatNobodyCanSendEjectsNobody(t *testing.T) {
	for name, spoil := range map[string]func(*http.Request){
		"value":     func(r *http.Request) { r.Header.Set("X-A", "a\nb") },
		"name":      func(r *http.Request) { r.Header["X A"] = []string{"a"} },
		"method":    func(r *http.Request) { r.Method = "G T" },
		"no header": func(r *http.Request) { r.Header = nil },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackends(t)
			b.serve("a", says("a"))
			b.serve("b", says("b"))
			rt := b.client(nil, holdfast.TransportOptions{}).Transport
			for range 20 {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://inventory/", nil)
				if err != nil {
					t.Fatal(err)
				}
				spoil(req)
				if resp, err := rt.RoundTrip(req); err == nil {
					_ = resp.Body.Close()
					t.Fatal("it was sent")
				}
			}
			if out := b.peers.Status().Ejected; len(out) != 0 {
				t.Errorf("ejected: %+v", out)
			}
		})
	}
}
