package holdfastgin

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/holdfast-go/holdfast/core"
)

const durationName = "http_server_request_duration_seconds"

// measured is an engine with the middleware and its registry.
func measured(t *testing.T, opts MetricsOptions, before ...gin.HandlerFunc) (*gin.Engine, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	m, err := Metrics(reg, opts)
	if err != nil {
		t.Fatal(err)
	}
	engine := gin.New()
	engine.Use(before...)
	engine.Use(m)
	return engine, reg
}

// quietRecovery is gin.Recovery that prints nothing.
func quietRecovery() gin.HandlerFunc { return gin.RecoveryWithWriter(io.Discard) }

func serve(t *testing.T, engine *gin.Engine, method, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	req.Method, req.URL.Path = method, path // strangers send what no URL parser would
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, req)
	return w
}

// gather returns the families by name.
func gather(t *testing.T, reg *prometheus.Registry) map[string]*dto.MetricFamily {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]*dto.MetricFamily)
	for _, f := range families {
		all[f.GetName()] = f
	}
	return all
}

// labelled names a series: its label values, in order of the label names.
func labelled(m *dto.Metric) string {
	var values []string
	for _, l := range m.Label {
		values = append(values, l.GetValue())
	}
	return strings.Join(values, " ")
}

// requests are the counts of the duration, by method, status and route.
func requests(t *testing.T, reg *prometheus.Registry) map[string]uint64 {
	t.Helper()
	counts := make(map[string]uint64)
	if f := gather(t, reg)[durationName]; f != nil {
		for _, m := range f.Metric {
			counts[labelled(m)] = m.GetHistogram().GetSampleCount()
		}
	}
	return counts
}

func wantRequests(t *testing.T, reg *prometheus.Registry, want map[string]uint64) {
	t.Helper()
	if got := requests(t, reg); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("measured %v; want %v", got, want)
	}
}

func gauge(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	sum := 0.0
	if f := gather(t, reg)[name]; f != nil {
		for _, m := range f.Metric {
			sum += m.GetGauge().GetValue()
		}
	}
	return sum
}

// scrape is what a scraper of the text format gets.
func scrape(t *testing.T, reg prometheus.Gatherer, accept string) string {
	t.Helper()
	engine := gin.New()
	engine.GET("/metrics", MetricsHandler(reg, MetricsHandlerOptions{}))
	w := serve(t, engine, http.MethodGet, "/metrics", "Accept", accept)
	if w.Code != http.StatusOK {
		t.Fatalf("/metrics says %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// samples counts the series of a scrape.
func samples(text string) int {
	n := 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			n++
		}
	}
	return n
}

func TestMetrics_NamesMethodRouteAndStatus(t *testing.T) {
	engine, reg := measured(t, MetricsOptions{})
	engine.HandleMethodNotAllowed = true
	engine.GET("/users/:id", func(c *gin.Context) { c.Status(http.StatusNoContent) })
	engine.POST("/users", func(c *gin.Context) { c.AbortWithStatus(http.StatusConflict) })
	group := engine.Group("/v1")
	group.GET("/files/*path", func(c *gin.Context) { c.String(http.StatusOK, "x") })
	engine.Handle("PURGE", "/cache", func(*gin.Context) {})
	for _, r := range [][2]string{
		{"GET", "/users/7"}, {"GET", "/users/8"}, {"POST", "/users"}, {"GET", "/v1/files/a/b"}, {"PURGE", "/cache"}, {"GET", "/none"}, {"PUT", "/users"},
	} {
		serve(t, engine, r[0], r[1])
	}
	wantRequests(t, reg, map[string]uint64{
		"GET 204 /users/:id": 2, "POST 409 /users": 1, "GET 200 /v1/files/*path": 1, "_OTHER 200 /cache": 1,
		"GET 404 unmatched": 1, "PUT 405 unmatched": 1,
	})
	f := gather(t, reg)[durationName]
	var names []string
	for _, l := range f.Metric[0].Label {
		names = append(names, l.GetName())
	}
	if want := []string{"http_request_method", "http_response_status_code", "http_route"}; !slices.Equal(names, want) {
		t.Errorf("labels are %v, want %v", names, want)
	}
	var bounds []float64
	for _, b := range f.Metric[0].Histogram.Bucket {
		bounds = append(bounds, b.GetUpperBound())
	}
	if !slices.Contains(bounds, 0.8) {
		t.Errorf("0.8 s is no bucket: %v", bounds)
	}
	for m := range httpMethod(len(methodNames)) {
		if m != methodOther && methodOf(m.String()) != m {
			t.Errorf("%v is read as %v", m, methodOf(m.String()))
		}
	}
}

// TestMetrics_StrangersMakeNoSeries: 1,000 requests, each with a path, a host and
// a method of its own.
func TestMetrics_StrangersMakeNoSeries(t *testing.T) {
	engine, reg := measured(t, MetricsOptions{}, quietRecovery())
	engine.GET("/users/:id", func(c *gin.Context) { c.Status(http.StatusOK) })
	before := samples(scrape(t, reg, ""))
	for i := range 1000 {
		b := make([]byte, 12)
		_, _ = rand.Read(b) // never fails
		word := hex.EncodeToString(b)
		method := strings.ToUpper("m" + word)
		if i%2 == 0 {
			method = http.MethodGet
		}
		serve(t, engine, method, "/"+word+"/\xff\x00", "Host", word+".example")
	}
	text := scrape(t, reg, "")
	if added := samples(text) - before; added > 53 || added < 10 {
		t.Errorf("%d series were added, at most 53 are allowed:\n%s", added, text)
	}
	wantRequests(t, reg, map[string]uint64{"GET 404 unmatched": 500, "_OTHER 404 unmatched": 500})
}

func TestMetrics_CountsPanicsAs500InEitherOrder(t *testing.T) {
	for name, row := range map[string]struct {
		before, after []gin.HandlerFunc
	}{
		"recovery before": {before: []gin.HandlerFunc{quietRecovery()}},
		"recovery after":  {after: []gin.HandlerFunc{quietRecovery()}},
		"no recovery":     {},
	} {
		t.Run(name, func(t *testing.T) {
			engine, reg := measured(t, MetricsOptions{}, row.before...)
			engine.Use(row.after...)
			engine.GET("/panic", func(*gin.Context) { panic("oh") })
			engine.GET("/fine", func(c *gin.Context) { c.Status(http.StatusOK) })
			func() {
				defer func() {
					if v := recover(); (v != nil) != (name == "no recovery") {
						t.Errorf("the panic that came out is %v", v)
					}
				}()
				if w := serve(t, engine, "GET", "/panic"); w.Code != http.StatusInternalServerError {
					t.Errorf("the client got %d", w.Code)
				}
			}()
			serve(t, engine, "GET", "/fine")
			wantRequests(t, reg, map[string]uint64{"GET 500 /panic": 1, "GET 200 /fine": 1})
			if n := gauge(t, reg, "http_server_active_requests"); n != 0 {
				t.Errorf("%v requests are active after all ended", n)
			}
		})
	}
}

func TestMetrics_SkipsRoutes(t *testing.T) {
	engine, reg := measured(t, MetricsOptions{Skip: []string{"/livez", RouteUnmatched}})
	engine.GET("/livez", func(*gin.Context) {})
	engine.GET("/orders", func(*gin.Context) {})
	for _, path := range []string{"/livez", "/orders", "/none"} {
		serve(t, engine, "GET", path)
	}
	wantRequests(t, reg, map[string]uint64{"GET 200 /orders": 1})
}

func TestMetrics_CountsRequestsUnderWay(t *testing.T) {
	engine, reg := measured(t, MetricsOptions{})
	inside := -1.0
	engine.GET("/", func(*gin.Context) { inside = gauge(t, reg, "http_server_active_requests") })
	serve(t, engine, "GET", "/")
	if after := gauge(t, reg, "http_server_active_requests"); inside != 1 || after != 0 {
		t.Errorf("%v requests are active inside of one and %v after it", inside, after)
	}
}

// TestMetrics_LeavesAWriterThatWasWrapped: a middleware that replaces the writer
// and does not put it back goes on as if nobody measured.
func TestMetrics_LeavesAWriterThatWasWrapped(t *testing.T) {
	type wrapped struct{ gin.ResponseWriter }
	after := func(c *gin.Context) {
		c.Next()
		if _, ok := c.Writer.(wrapped); !ok {
			t.Errorf("the writer is a %T", c.Writer)
		}
		c.Writer.Header().Set("Content-Type", "text/event-stream")
		c.Writer.Flush() // is no stream any more: it was measured
		_, _ = c.Writer.WriteString("late")
	}
	engine, reg := measured(t, MetricsOptions{}, after)
	engine.Use(func(c *gin.Context) { c.Writer = wrapped{c.Writer} })
	engine.GET("/", func(*gin.Context) {})
	for range 3 {
		if w := serve(t, engine, "GET", "/"); w.Body.String() != "late" {
			t.Errorf("the client got %q", w.Body)
		}
	}
	wantRequests(t, reg, map[string]uint64{"GET 200 /": 3})
}

func TestMetrics_KeepsNativeHistograms(t *testing.T) {
	engine, reg := measured(t, MetricsOptions{NativeHistograms: true, Buckets: []float64{0.1, 0.8}})
	engine.GET("/", func(*gin.Context) {})
	serve(t, engine, "GET", "/")
	h := gather(t, reg)[durationName].Metric[0].GetHistogram()
	if h.Schema == nil || len(h.PositiveSpan) == 0 || len(h.Bucket) != 2 {
		t.Errorf("the histogram is %v", h)
	}
}

func TestMetrics_EnginesShareARegistry(t *testing.T) {
	reg := prometheus.NewRegistry()
	public := prometheus.WrapRegistererWith(prometheus.Labels{"server": "public"}, reg)
	private := prometheus.WrapRegistererWith(prometheus.Labels{"server": "private"}, reg)
	for _, to := range []prometheus.Registerer{public, private, public} {
		m, err := Metrics(to, MetricsOptions{})
		if err != nil {
			t.Fatal(err)
		}
		engine := gin.New()
		engine.Use(m)
		engine.GET("/", func(*gin.Context) {})
		serve(t, engine, "GET", "/")
	}
	wantRequests(t, reg, map[string]uint64{"GET 200 / public": 2, "GET 200 / private": 1})
}

func TestMetrics_RefusesMistakesOfTheProgram(t *testing.T) {
	taken := prometheus.NewRegistry()
	taken.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: durationName, Help: "Another."}))
	used := prometheus.NewRegistry()
	if _, err := Metrics(used, MetricsOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		reg  prometheus.Registerer
		opts MetricsOptions
		says string
	}{
		"no registry":      {nil, MetricsOptions{}, "registry is nil"},
		"a name is taken":  {taken, MetricsOptions{}, "refuses"},
		"other buckets":    {used, MetricsOptions{Buckets: []float64{1}}, "other Buckets"},
		"descending":       {prometheus.NewRegistry(), MetricsOptions{Buckets: []float64{2, 1}}, "ascending"},
		"infinite buckets": {prometheus.NewRegistry(), MetricsOptions{Buckets: []float64{1, math.Inf(1)}}, "ascending"},
	} {
		m, err := Metrics(row.reg, row.opts)
		if !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), row.says) || m != nil {
			t.Errorf("%s: %v; want ErrInvalid that says %q", name, err, row.says)
		}
	}
}

// TestMetrics_PassTheLinterOfPromtool: promtool check metrics is promlint over
// what was scraped.
func TestMetrics_PassTheLinterOfPromtool(t *testing.T) {
	engine, reg := measured(t, MetricsOptions{})
	engine.GET("/", func(*gin.Context) {})
	serve(t, engine, "GET", "/")
	text := scrape(t, reg, "")
	problems, err := promlint.New(bytes.NewBufferString(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v in\n%s", problems, err, text)
	}
	if !strings.Contains(text, durationName+`_bucket{http_request_method="GET",http_response_status_code="200",http_route="/",le="0.8"} 1`) {
		t.Errorf("the scrape is\n%s", text)
	}
}
