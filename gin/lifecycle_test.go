package holdfastgin

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
)

func TestLifecycle_DrainsAndResumesForAMainOfOnesOwn(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	ann, err := svc.Announce(core.Instance{ID: "one", Endpoints: []string{"http://127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	life := NewLifecycle(svc, fast())
	engine := gin.New()
	if err := Mount(engine, svc, MountOptions{Lifecycle: life}); err != nil {
		t.Fatal(err)
	}
	ready := func() int {
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
		return w.Code
	}
	status := func() core.Status { return instances(t, b, "orders")["one"].Status }

	if got := ready(); got != http.StatusServiceUnavailable {
		t.Errorf("while it starts readiness is %d", got)
	}
	life.Ready()
	if got := ready(); got != http.StatusOK {
		t.Errorf("once it is ready readiness is %d", got)
	}
	eventually(t, "the instance is registered", func() bool { return len(instances(t, b, "orders")) == 1 })
	if err := life.Drain(t.Context()); err != nil || ready() != http.StatusServiceUnavailable || status() != core.StatusDraining {
		t.Errorf("drained: %v, readiness %d, status %v", err, ready(), status())
	}
	if err := life.Resume(t.Context()); err != nil || ready() != http.StatusOK || status() != core.StatusUp {
		t.Errorf("resumed: %v, readiness %d, status %v", err, ready(), status())
	}

	b.Silence()
	if err := life.Drain(t.Context()); !errors.Is(err, core.ErrUnavailable) || ready() != http.StatusServiceUnavailable {
		t.Errorf("drained while the backend is silent: %v, readiness %d", err, ready())
	}
	b.Heal()
	eventually(t, "the status arrives later", func() bool { return status() == core.StatusDraining })
	if err := life.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := life.Stop(t.Context()); err != nil {
		t.Errorf("the second Stop says %v", err)
	}
	if err := life.Drain(t.Context()); err != nil {
		t.Errorf("Drain after the end says %v", err)
	}
	if err := life.Resume(t.Context()); err != nil || ready() != http.StatusServiceUnavailable {
		t.Errorf("Resume after the end: %v, readiness %d", err, ready())
	}
	if st := ann.Status(); st.State.String() != "closed" {
		t.Errorf("the announcement is %v", st.State)
	}
}

func TestLifecycle_RunsHooksInReverseEachOnItsOwn(t *testing.T) {
	b := newBackend(t)
	life := NewLifecycle(startService(t, b, nil), fast())
	var order []string
	stuck := make(chan struct{})
	life.OnStop("first", 0, func(context.Context) error { order = append(order, "first"); return nil })
	life.OnStop("stuck", 50*time.Millisecond, func(context.Context) error { <-stuck; return nil })
	life.OnStop("broken", 0, func(context.Context) error { order = append(order, "broken"); return errors.New("no database") })
	life.OnStop("panics", 0, func(context.Context) error { order = append(order, "panics"); panic("boom") })
	began := time.Now()
	err := life.Stop(t.Context())
	close(stuck)
	if want := []string{"panics", "broken", "first"}; !slices.Equal(order, want) {
		t.Errorf("hooks ran as %v, want %v", order, want)
	}
	for _, want := range []string{`hook "broken": no database`, `hook "panics": panic: boom`, `hook "stuck": left behind`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if took := time.Since(began); took > patience {
		t.Errorf("took %v", took)
	}
}

func TestLifecycle_ReturnsWhatARegistryRefuses(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	if _, err := svc.Announce(core.Instance{ID: "one", Endpoints: []string{"http://127.0.0.1:1"}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the instance is registered", func() bool { return len(instances(t, b, "orders")) == 1 })
	life := NewLifecycle(svc, fast())
	life.Ready()
	b.Refuse(core.ErrDenied)
	if err := life.Stop(t.Context()); !errors.Is(err, core.ErrDenied) {
		t.Errorf("got %v", err)
	}
}

func TestLifecycle_EndsStreamsBeforeRequests(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	engine := gin.New()
	stream := func(c *gin.Context) {
		c.Header("Content-Type", "text/event-stream")
		c.Writer.WriteHeaderNow()
		c.Writer.Flush()
		<-c.Request.Context().Done()
		c.String(http.StatusOK, context.Cause(c.Request.Context()).Error())
	}
	engine.GET("/events", stream)
	engine.GET("/marked", Stream(), stream)
	begun, finish := make(chan struct{}), make(chan struct{})
	engine.GET("/request", func(c *gin.Context) {
		close(begun)
		select {
		case <-finish:
			c.String(http.StatusOK, "done")
		case <-c.Request.Context().Done():
			c.String(http.StatusInternalServerError, "cancelled")
		}
	})
	r := runService(t, svc, engine, RunOptions{Stop: fast()})

	answers := make(chan string, 3)
	ask := func(path, accept string) {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+path, nil)
		if accept != "" {
			req.Header.Set("Accept", accept)
		}
		resp, err := r.client.Do(req)
		if err != nil {
			t.Error(err)
			answers <- ""
			return
		}
		go func() {
			defer func() { _ = resp.Body.Close() }()
			var sb strings.Builder
			buf := make([]byte, 512)
			for {
				n, err := resp.Body.Read(buf)
				sb.Write(buf[:n])
				if err != nil {
					break
				}
			}
			answers <- path + " " + sb.String()
		}()
	}
	ask("/events", "text/event-stream")
	ask("/marked", "")
	go ask("/request", "")
	<-begun

	r.stop()
	for range 2 {
		if a := <-answers; !strings.HasSuffix(a, errStreamsEnd.Error()) {
			t.Errorf("a stream ended with %q", a)
		}
	}
	close(finish)
	if a := <-answers; a != "/request done" {
		t.Errorf("the request under way got %q", a)
	}
	if err := r.ended(); err != nil {
		t.Error(err)
	}
}

func TestPhase_HasANameAlways(t *testing.T) {
	for p := PhaseStarting; p <= PhaseClosed; p++ {
		if text, err := p.MarshalText(); err != nil || strings.HasPrefix(string(text), "phase(") {
			t.Errorf("%d is %q, %v", p, text, err)
		}
	}
	if got := Phase(99).String(); got != "phase(99)" {
		t.Errorf("got %q", got)
	}
}

func TestRun_TellsEachPhaseInTheTimeline(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	life := NewLifecycle(svc, fast())
	life.OnStop("fails", 0, func(context.Context) error { return errors.New("no") })
	r := runService(t, svc, healthy(t, svc), RunOptions{Lifecycle: life})
	r.stop()
	if err := r.ended(); err == nil {
		t.Error("a hook failed, and Run says nothing")
	}
	var got []string
	for _, e := range svc.Status().Timeline {
		if e.Kind == holdfast.EventPhase {
			got = append(got, e.Detail)
		}
	}
	want := []string{
		"ready", "draining", "lame duck", "deregistering", "stopping", "hooks", "hooks went wrong", "flushing", "closing", "closed",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the timeline tells of %q; want %q", got, want)
	}
	if n := svc.Status().Events[holdfast.EventPhase]; n != uint64(len(want)) {
		t.Errorf("%d events are counted; want %d", n, len(want))
	}
}
