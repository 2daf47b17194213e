package holdfastgin

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/provenance"
)

// partAt is a part that always says the same.
func partAt(level core.Level, age time.Duration) Part {
	return func() (core.Level, time.Duration) { return level, age }
}

// answering is an engine with the middleware.
func answering(opts ProvenanceOptions, before ...gin.HandlerFunc) *gin.Engine {
	engine := gin.New()
	engine.Use(before...)
	engine.Use(Provenance(nil, opts))
	return engine
}

func wantHeaders(t *testing.T, what string, h http.Header, level, age string) {
	t.Helper()
	if got, gotAge := h.Get(HeaderLevel), h.Get(HeaderAge); got != level || gotAge != age {
		t.Errorf("%s: the headers say level %q, age %q; want %q, %q", what, got, gotAge, level, age)
	}
	if len(h.Values(HeaderLevel)) > 1 || len(h.Values(HeaderAge)) > 1 {
		t.Errorf("%s: headers are there twice: %v", what, h)
	}
}

func TestProvenance_HeadersSayTheWorstOfPartsAndNotes(t *testing.T) {
	for name, row := range map[string]struct {
		of         []Part
		note       []core.Level
		age        time.Duration
		level, hdr string
	}{
		"live":                       {of: []Part{partAt(core.Live, 3*time.Second)}, level: "live"},
		"nothing is known":           {},
		"the worst part, oldest age": {of: []Part{partAt(core.Memory, 3*time.Second), partAt(core.Cached, 2*time.Second)}, level: "cached", hdr: "3"},
		"rounded down":               {of: []Part{partAt(core.Memory, 1999*time.Millisecond)}, level: "memory", hdr: "1"},
		"a moment ago":               {of: []Part{partAt(core.Memory, time.Millisecond)}, level: "memory", hdr: "0"},
		"a default has no age":       {of: []Part{partAt(core.Default, time.Hour)}, level: "default"},
		"a note makes it worse":      {of: []Part{partAt(core.Memory, time.Second)}, note: []core.Level{core.Cached}, age: 12 * time.Second, level: "cached", hdr: "12"},
		"a note can't make it better": {of: []Part{partAt(core.Cached, 7*time.Second)}, note: []core.Level{core.Live},
			level: "cached", hdr: "7"},
		"notes alone": {note: []core.Level{core.Live, core.Replica}, age: 4 * time.Second, level: "replica", hdr: "4"},
	} {
		engine := answering(ProvenanceOptions{Of: row.of, Headers: true})
		engine.GET("/", func(c *gin.Context) {
			for _, l := range row.note {
				provenance.Note(c.Request.Context(), l, row.age)
			}
			c.String(http.StatusOK, "x")
		})
		wantHeaders(t, name, serve(t, engine, "GET", "/").Header(), row.level, row.hdr)
	}
}

func TestProvenance_WithoutHeadersOnlyTheContextKnows(t *testing.T) {
	engine := answering(ProvenanceOptions{Of: []Part{partAt(core.Memory, time.Second)}})
	engine.GET("/", func(c *gin.Context) {
		p, ok := provenance.From(c.Request.Context())
		if want := (provenance.Provenance{Level: core.Memory, Age: time.Second}); !ok || p != want {
			t.Errorf("%v, %v; want %v", p, ok, want)
		}
		c.Status(http.StatusNoContent)
	})
	w := serve(t, engine, "GET", "/")
	wantHeaders(t, "off", w.Header(), "", "")
	if w.Code != http.StatusNoContent {
		t.Errorf("status %d", w.Code)
	}
}

// TestProvenance_HeadersAreThereHoweverItIsWritten: whatever writes first.
func TestProvenance_HeadersAreThereHoweverItIsWritten(t *testing.T) {
	oh := func(*gin.Context) { panic("oh") }
	for name, row := range map[string]struct {
		before, after gin.HandlerFunc
		handler       gin.HandlerFunc
		code          int
		level         string
	}{
		"Write":          {handler: func(c *gin.Context) { _, _ = c.Writer.Write([]byte("x")) }, code: 200},
		"WriteString":    {handler: func(c *gin.Context) { _, _ = c.Writer.WriteString("x") }, code: 200},
		"io.Copy":        {handler: func(c *gin.Context) { _, _ = io.Copy(c.Writer, bytes.NewBufferString("x")) }, code: 200},
		"nothing":        {handler: func(*gin.Context) {}, code: 200},
		"status alone":   {handler: func(c *gin.Context) { c.Status(http.StatusNoContent) }, code: 204},
		"abort":          {handler: func(c *gin.Context) { c.AbortWithStatus(http.StatusConflict) }, code: 409},
		"json":           {handler: func(c *gin.Context) { c.JSON(http.StatusOK, "x") }, code: 200},
		"redirect":       {handler: func(c *gin.Context) { c.Redirect(http.StatusFound, "/x") }, code: 302},
		"flush":          {handler: func(c *gin.Context) { c.Writer.Flush() }, code: 200},
		"controller":     {handler: func(c *gin.Context) { _ = http.NewResponseController(c.Writer).Flush() }, code: 200},
		"late note":      {handler: func(c *gin.Context) { c.Writer.Flush(); provenance.Note(c.Request.Context(), core.Empty, 0) }, code: 200},
		"recovery above": {before: quietRecovery(), handler: oh, code: 500},
		"recovery below": {after: quietRecovery(), handler: oh, code: 500},
		"outer writes": {before: func(c *gin.Context) { c.Next(); c.String(http.StatusTeapot, "x") },
			handler: func(c *gin.Context) { provenance.Note(c.Request.Context(), core.Cached, 0) }, code: 418, level: "cached"},
		"before and after": {before: func(c *gin.Context) { c.Header(HeaderLevel, "made up"); c.Header(HeaderAge, "1") },
			handler: func(c *gin.Context) { c.String(http.StatusOK, "x") }, code: 200},
	} {
		t.Run(name, func(t *testing.T) {
			var before []gin.HandlerFunc
			if row.before != nil {
				before = append(before, row.before)
			}
			engine := answering(ProvenanceOptions{Of: []Part{partAt(core.Memory, 5*time.Second)}, Headers: true}, before...)
			if row.after != nil {
				engine.Use(row.after)
			}
			engine.GET("/", row.handler)
			level := row.level
			if level == "" {
				level = "memory"
			}
			// The headers as they were sent, not as they are in the map afterwards.
			w := serve(t, engine, "GET", "/").Result()
			_ = w.Body.Close()
			wantHeaders(t, name, w.Header, level, "5")
			if w.StatusCode != row.code {
				t.Errorf("status %d; want %d", w.StatusCode, row.code)
			}
		})
	}
}

// TestProvenance_StreamsOverTheWire: the first event is there while the handler
// still runs, with the headers as of the first flush.
func TestProvenance_StreamsOverTheWire(t *testing.T) {
	engine := answering(ProvenanceOptions{Of: []Part{partAt(core.Memory, 5*time.Second)}, Headers: true})
	more := make(chan struct{})
	engine.GET("/", func(c *gin.Context) {
		c.SSEvent("tick", 1)
		c.Writer.Flush()
		<-more
		provenance.Note(c.Request.Context(), core.Empty, 0)
		c.SSEvent("tick", 2)
	})
	server := httptest.NewServer(engine)
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	wantHeaders(t, "stream", resp.Header, "memory", "5")
	close(more)
	if body, err := io.ReadAll(resp.Body); err != nil || bytes.Count(body, []byte("tick")) != 2 {
		t.Errorf("%q, %v", body, err)
	}
	server.Client().CloseIdleConnections()
}

func TestProvenance_OfEngineAndRouteShareAScope(t *testing.T) {
	for name, row := range map[string]struct{ engine, route bool }{
		"headers of the engine": {true, false},
		"headers of the route":  {false, true},
		"of both":               {true, true},
	} {
		engine := answering(ProvenanceOptions{Of: []Part{partAt(core.Memory, 9*time.Second)}, Headers: row.engine})
		route := Provenance(nil, ProvenanceOptions{Of: []Part{partAt(core.Cached, time.Second)}, Headers: row.route})
		engine.GET("/", route, func(c *gin.Context) { c.Status(http.StatusOK) })
		wantHeaders(t, name, serve(t, engine, "GET", "/").Header(), "cached", "9")
	}
}

func TestProvenance_AsksPartsOncePerRefresh(t *testing.T) {
	var asked atomic.Int32
	part := func() (core.Level, time.Duration) { asked.Add(1); return core.Live, 0 }
	for refresh, want := range map[time.Duration]int32{time.Hour: 1, -1: 64} {
		asked.Store(0)
		engine := answering(ProvenanceOptions{Of: []Part{part}, Refresh: refresh})
		engine.GET("/", func(*gin.Context) {})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 8 {
					serve(t, engine, "GET", "/")
				}
			})
		}
		wg.Wait()
		if n := asked.Load(); n != want {
			t.Errorf("refresh %v: the part was asked %d times; want %d", refresh, n, want)
		}
	}
}

// TestProvenance_OutlivesItsRequest: what a handler leaves behind meets no other
// request.
func TestProvenance_OutlivesItsRequest(t *testing.T) {
	engine := answering(ProvenanceOptions{Headers: true})
	var left []*http.Request
	engine.GET("/:n", func(c *gin.Context) {
		provenance.Note(c.Request.Context(), core.Live, 0)
		left = append(left, c.Request)
	})
	serve(t, engine, "GET", "/1")
	serve(t, engine, "GET", "/2")
	provenance.Note(left[0].Context(), core.Empty, 0)
	p, _ := provenance.From(left[1].Context())
	if p.Level != core.Live || left[0].URL.Path != "/1" || left[1].URL.Path != "/2" {
		t.Errorf("the second request is %v, at %v", left[1].URL, p)
	}
}

func TestProvenance_PartsOfAService(t *testing.T) {
	b := newBackend(t)
	svc := startService(t, b, nil)
	limit, err := holdfast.Bind(svc.Config(), "limits/max_items", 5)
	if err != nil {
		t.Fatal(err)
	}
	optional, err := holdfast.Bind(svc.Config(), "no/such/key", 5)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]Part{
		"whole": wholePart(svc), "config": ConfigPart(svc), "value": ValuePart(limit), "endpoints": EndpointsPart(svc, "inventory"),
	}
	if err := errors.Join(svc.WaitLevel(t.Context(), core.Live), svc.Endpoints("inventory").WaitLevel(t.Context(), core.Live)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the value is live", func() bool { return limit.Status().Level == core.Live })
	for name, part := range parts {
		if level, age := part(); level != core.Live || age < 0 || age > patience {
			t.Errorf("%s in sync: %v, %v", name, level, age)
		}
	}
	if level, _ := ValuePart(optional)(); level != core.Default {
		t.Errorf("a value that nobody set is at %v", level)
	}
	b.Cut()
	for name, part := range parts {
		eventually(t, name+" has noticed", func() bool { level, age := part(); return level == core.Memory && age > 0 })
	}
}

func TestProvenance_PartsOfNothing(t *testing.T) {
	svc, err := holdfast.Start(t.Context(), holdfast.Options{Name: "orders", Registry: newBackend(t).Registry()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = svc.Close(t.Context()) }()
	for name, part := range map[string]Part{"whole": wholePart(svc), "config": ConfigPart(svc)} {
		if level, age := part(); level != core.Live || age != 0 {
			t.Errorf("%s of a service that uses nothing: %v, %v", name, level, age)
		}
	}
}
