package holdfastgin

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
)

// streaming serves an engine that is measured by a real server.
func streaming(t *testing.T, engine *gin.Engine) string {
	t.Helper()
	server := httptest.NewServer(engine)
	t.Cleanup(server.Close)
	return server.URL
}

func TestMetrics_MeasureAStreamOfEventsWhenItBegins(t *testing.T) {
	engine, reg := measured(t, MetricsOptions{})
	engine.GET("/events", func(c *gin.Context) {
		for range 2 {
			c.SSEvent("tick", 1)
			c.Writer.Flush()
		}
		<-c.Request.Context().Done()
	})
	url := streaming(t, engine)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stream is measured", func() bool { return len(requests(t, reg)) == 1 })
	wantRequests(t, reg, map[string]uint64{"GET 200 /events": 1})
	if active, streams := gauge(t, reg, "http_server_active_requests"), gauge(t, reg, "http_server_active_streams"); active != 1 || streams != 1 {
		t.Errorf("%v requests and %v streams are active while one is", active, streams)
	}
	cancel()
	_ = resp.Body.Close()
	eventually(t, "the stream ends", func() bool {
		return gauge(t, reg, "http_server_active_requests") == 0 && gauge(t, reg, "http_server_active_streams") == 0
	})
	wantRequests(t, reg, map[string]uint64{"GET 200 /events": 1})
}

func TestMetrics_CountAHijackedConnectionAs101(t *testing.T) {
	engine, reg := measured(t, MetricsOptions{}, quietRecovery())
	engine.GET("/socket", func(c *gin.Context) {
		conn, _, err := http.NewResponseController(c.Writer).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		if n := gauge(t, reg, "http_server_active_streams"); n != 1 {
			t.Errorf("%v streams are active while one is", n)
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhello")
		_ = conn.Close()
		panic("after the hijack") // the request was measured already
	})
	engine.GET("/refused", func(c *gin.Context) { c.AbortWithStatus(http.StatusUpgradeRequired) })
	url := streaming(t, engine)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	for _, path := range []string{"/socket", "/refused"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "echo")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	eventually(t, "both are measured", func() bool { return len(requests(t, reg)) == 2 })
	wantRequests(t, reg, map[string]uint64{"GET 101 /socket": 1, "GET 426 /refused": 1})
	eventually(t, "nothing is active", func() bool {
		return gauge(t, reg, "http_server_active_requests") == 0 && gauge(t, reg, "http_server_active_streams") == 0
	})
}

// TestMetrics_MeasureWhatOnlyFlushesAsARequest: a download in pieces is no stream
// of events.
func TestMetrics_MeasureWhatOnlyFlushesAsARequest(t *testing.T) {
	engine, reg := measured(t, MetricsOptions{})
	engine.GET("/download", func(c *gin.Context) {
		for range 3 {
			_, _ = c.Writer.WriteString("piece")
			if err := http.NewResponseController(c.Writer).Flush(); err != nil {
				t.Error(err)
			}
		}
		if n := len(requests(t, reg)); n != 0 {
			t.Error("it is measured before its end")
		}
	})
	if w := serve(t, engine, "GET", "/download"); w.Body.String() != strings.Repeat("piece", 3) || !w.Flushed {
		t.Errorf("the client got %q", w.Body)
	}
	wantRequests(t, reg, map[string]uint64{"GET 200 /download": 1})
}

func TestMetrics_LetTheServerSetDeadlines(t *testing.T) {
	engine, _ := measured(t, MetricsOptions{})
	var err error
	engine.GET("/", func(c *gin.Context) {
		err = http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(patience))
	})
	url := streaming(t, engine)
	req, reqErr := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/", nil)
	if reqErr != nil {
		t.Fatal(reqErr)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, reqErr := client.Do(req)
	if reqErr != nil {
		t.Fatal(reqErr)
	}
	_ = resp.Body.Close()
	if err != nil {
		t.Errorf("SetWriteDeadline: %v", err)
	}
}
