package health

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHTTP_WantsASuccess(t *testing.T) {
	var got http.Header
	var host string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, host = r.Header, r.Host
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	header := http.Header{"X-Probe": {"1"}, "Host": {"orders.local"}}
	for name, row := range map[string]struct {
		path string
		opts HTTPOptions
		want string
	}{
		"well":       {"/", HTTPOptions{}, ""},
		"HEAD":       {"/", HTTPOptions{Method: http.MethodHead}, ""},
		"redirected": {"/moved", HTTPOptions{}, "status 302"},
		"busy":       {"/busy", HTTPOptions{}, "status 503"},
		"busy is ok": {"/busy", HTTPOptions{Healthy: func(code int) bool { return code == 503 }}, ""},
		"client":     {"/moved", HTTPOptions{Client: server.Client()}, ""},
		"header":     {"/", HTTPOptions{Header: header}, ""},
		"method":     {"/", HTTPOptions{Method: "?\n"}, "Method"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSet(t)
			register(t, s, HTTP("peer", server.URL+row.path, row.opts), CheckOptions{})
			st, _ := s.Check(t.Context(), "peer")
			switch {
			case row.want == "" && st.Status != Up:
				t.Errorf("got %v: %v", st.Status, st.Err)
			case row.want != "" && (st.Status != Down || !strings.Contains(st.Err.Error(), row.want)):
				t.Errorf("got %v: %v", st.Status, st.Err)
			}
			if name == "header" && (got.Get("X-Probe") != "1" || host != "orders.local") {
				t.Errorf("it sent %v to %s", got, host)
			}
		})
	}
}

func TestHTTP_KeepsItsAddressToItself(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	address := strings.Replace(server.URL, "http://", "http://user:hunter2@", 1) + "/secret?token=hunter2"
	r := HTTP("peer", address, HTTPOptions{}).Check(t.Context())
	server.Close()
	gone := HTTP("peer", address, HTTPOptions{}).Check(t.Context())
	for _, r := range []Result{r, gone} {
		if r.Err == nil || strings.Contains(r.Err.Error(), "hunter2") || strings.Contains(r.Err.Error(), "secret") {
			t.Errorf("got %v", r.Err)
		}
	}
}

func TestHTTP_EndsWithItsContext(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan Result)
	go func() { done <- HTTP("peer", server.URL, HTTPOptions{}).Check(ctx) }()
	cancel()
	if r := <-done; r.Err == nil {
		t.Error("it succeeded")
	}
}
