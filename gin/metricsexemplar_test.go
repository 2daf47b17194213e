package holdfastgin

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"
)

const trace = "4bf92f3577b34da6a3ce929d0e0e4736"

func TestTraceparent(t *testing.T) {
	for header, want := range map[string]string{
		"00-" + trace + "-00f067aa0ba902b7-01":                   trace,
		"00-" + trace + "-00f067aa0ba902b7-0b":                   trace,
		"01-" + trace + "-00f067aa0ba902b7-01-more":              trace,
		"00-" + trace + "-00f067aa0ba902b7-00":                   "", // not sampled
		"00-" + trace + "-00f067aa0ba902b7-0a":                   "",
		"00-" + trace + "-00f067aa0ba902b7-01-more":              "", // version 00 has no more
		"01-" + trace + "-00f067aa0ba902b7-01more":               "",
		"ff-" + trace + "-00f067aa0ba902b7-01":                   "",
		"0G-" + trace + "-00f067aa0ba902b7-01":                   "",
		"00-" + strings.ToUpper(trace) + "-00f067aa0ba902b7-01":  "",
		"00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01": "",
		"00-" + trace + "-0000000000000000-01":                   "",
		"00-" + trace + "-00f067aa0ba902bZ-01":                   "",
		"00-" + trace + "-00f067aa0ba902b7-0Z":                   "",
		"00_" + trace + "-00f067aa0ba902b7-01":                   "",
		"00-" + trace + "_00f067aa0ba902b7-01":                   "",
		"00-" + trace + "-00f067aa0ba902b7_01":                   "",
		"00-" + trace + "-00f067aa0ba902b7-0":                    "",
		"":                                                       "",
	} {
		c := &gin.Context{Request: &http.Request{Header: http.Header{"Traceparent": {header}}}}
		if got := traceparent(c); got != want {
			t.Errorf("%q is trace %q, want %q", header, got, want)
		}
	}
	twice := http.Header{"Traceparent": {"00-" + trace + "-00f067aa0ba902b7-01", "00-" + trace + "-00f067aa0ba902b7-01"}}
	if got := traceparent(&gin.Context{Request: &http.Request{Header: twice}}); got != "" {
		t.Errorf("two headers are trace %q", got)
	}
}

func TestMetrics_ShowExemplars(t *testing.T) {
	const openMetrics = "application/openmetrics-text;version=1.0.0"
	for name, row := range map[string]struct {
		opts   MetricsOptions
		header []string
		want   string
	}{
		"traceparent": {MetricsOptions{}, []string{"Traceparent", "00-" + trace + "-00f067aa0ba902b7-01"}, `trace_id="` + trace + `"`},
		"function":    {MetricsOptions{TraceID: func(*gin.Context) string { return "mine" }}, nil, `trace_id="mine"`},
		"native":      {MetricsOptions{NativeHistograms: true, TraceID: func(*gin.Context) string { return "mine" }}, nil, `trace_id="mine"`},
		"no trace":    {MetricsOptions{}, nil, ""},
		"too long":    {MetricsOptions{TraceID: func(*gin.Context) string { return strings.Repeat("x", 65) }}, nil, ""},
		"not UTF-8":   {MetricsOptions{TraceID: func(*gin.Context) string { return "\xff" }}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			engine, reg := measured(t, row.opts)
			engine.GET("/", func(*gin.Context) {})
			serve(t, engine, "GET", "/", row.header...)
			text := scrape(t, reg, openMetrics)
			if has := strings.Contains(text, "trace_id"); has != (row.want != "") || !strings.Contains(text, row.want) {
				t.Errorf("want exemplar %q in\n%s", row.want, text)
			}
			if !strings.HasSuffix(text, "# EOF\n") {
				t.Error("it is no OpenMetrics text")
			}
			wantRequests(t, reg, map[string]uint64{"GET 200 /": 1})
		})
	}
}

func TestMetrics_TakeOneExemplarPerBucketAndSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		engine, reg := measured(t, MetricsOptions{TraceID: func(*gin.Context) string { asked++; return "mine" }})
		engine.GET("/fast", func(*gin.Context) {})
		engine.GET("/slow", func(*gin.Context) { time.Sleep(300 * time.Millisecond) })
		for _, step := range []struct {
			path string
			want int
		}{{"/fast", 1}, {"/fast", 1}, {"/slow", 2}, {"/slow", 2}, {"/fast", 2}, {"/slow", 2}, {"/slow", 2}, {"/slow", 3}, {"/fast", 4}} {
			serve(t, engine, "GET", step.path)
			if asked != step.want {
				t.Errorf("%d exemplars were taken, want %d", asked, step.want)
			}
		}
		wantRequests(t, reg, map[string]uint64{"GET 200 /fast": 4, "GET 200 /slow": 5})
	})
}
