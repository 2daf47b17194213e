package outagetest

import (
	"cmp"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/loopback"
)

// webInstance is one of several instances of a Gin service, each in a process of
// its own, at an address of its own that it keeps.
type webInstance struct {
	*child
	spec childSpec
	url  string
}

// startWeb starts an instance, and returns when it is ready. Its address and its
// cache are found for it.
func startWeb(t *testing.T, endpoints []string, id string, web webSpec) *webInstance {
	t.Helper()
	listen, err := loopback.Addr(t.Context(), loopback.Host())
	if err != nil {
		t.Fatal(err)
	}
	web.Listen, web.Dir = listen, t.TempDir()
	w := &webInstance{url: "http://" + listen, spec: childSpec{Endpoints: endpoints, Service: cmp.Or(web.Service, "orders"), ID: id, Web: &web}}
	w.start(t)
	return w
}

func (w *webInstance) start(t *testing.T) {
	t.Helper()
	w.child = startChild(t, w.spec)
	eventually(t, w.spec.ID+" is ready", func() bool {
		code, _ := w.get(t, "/readyz")
		return code == http.StatusOK
	})
}

// get asks over a connection of its own; code 0 is no answer.
func (w *webInstance) get(t *testing.T, path string) (code int, body string) {
	t.Helper()
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	code, body, err := fetch(t.Context(), client, http.MethodGet, w.url+path)
	if err != nil {
		return 0, err.Error()
	}
	return code, body
}

// terminate sends SIGTERM and returns when the process has ended, which must be
// with exit code 0 and within limit.
func (w *webInstance) terminate(t *testing.T, limit time.Duration) (took time.Duration) {
	t.Helper()
	began := time.Now()
	w.signal(syscall.SIGTERM)
	w.awaitExit(t, limit+patience)
	took = time.Since(began)
	if code := w.state.ExitCode(); code != 0 {
		t.Fatalf("%s ended with %v", w.spec.ID, w.state)
	}
	if took > limit {
		t.Errorf("%s took %v to end; the limit is %v", w.spec.ID, took, limit)
	}
	return took
}

// awaitExit returns when the process has ended.
func (w *webInstance) awaitExit(t *testing.T, limit time.Duration) {
	t.Helper()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-w.exited:
	case <-timer.C:
		t.Fatalf("%s has not ended in %v", w.spec.ID, limit)
	}
}
