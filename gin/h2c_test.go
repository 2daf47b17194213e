package holdfastgin

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
)

// slow is an engine whose one route answers when it is told to, unless the
// request's ctx ends first.
func slow() (engine *gin.Engine, begun, finish chan struct{}) {
	engine, begun, finish = gin.New(), make(chan struct{}), make(chan struct{})
	engine.GET("/slow", func(c *gin.Context) {
		close(begun)
		select {
		case <-finish:
			c.String(http.StatusOK, "done")
		case <-c.Request.Context().Done():
			c.String(http.StatusInternalServerError, context.Cause(c.Request.Context()).Error())
		}
	})
	return engine, begun, finish
}

// A client that offers HTTP/2 with each request, as Java's does, asks for no
// stream.
func TestRun_AnOfferOfHTTP2IsNoStream(t *testing.T) {
	svc := startService(t, newBackend(t), nil)
	engine, begun, finish := slow()
	r := runService(t, svc, engine, RunOptions{Stop: fast()})
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprint(conn, "GET /slow HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-begun
	r.stop()
	<-r.life.streams.Done()
	answered := make(chan string, 1)
	go func() {
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		answered <- string(body)
	}()
	select {
	case a := <-answered:
		t.Fatalf("it was cut off: %q", a)
	case <-r.life.requests.Done():
		t.Fatal("requests ended")
	case finish <- struct{}{}:
	}
	if a := <-answered; a != "done" {
		t.Errorf("got %q", a)
	}
	if err := r.ended(); err != nil {
		t.Error(err)
	}
}

func TestRun_AwaitsRequestsByHTTP2WithoutTLS(t *testing.T) {
	svc := startService(t, newBackend(t), nil)
	engine, begun, finish := slow()
	engine.UseH2C = true
	r := runService(t, svc, engine, RunOptions{Stop: fast()})
	var only http.Protocols
	only.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: &only}, Timeout: patience}
	defer client.CloseIdleConnections()
	answered := make(chan string, 1)
	go func() {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/slow", nil)
		resp, err := client.Do(req)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		answered <- resp.Proto + " " + string(body)
	}()
	<-begun
	r.stop()
	<-r.life.streams.Done()
	// What awaits nobody is over in a few milliseconds.
	select {
	case err := <-r.done:
		t.Errorf("Run returned %v while a request was under way", err)
		r.done <- err
	case <-time.After(200 * time.Millisecond):
	}
	close(finish)
	if a := <-answered; a != "HTTP/2.0 done" {
		t.Errorf("got %q", a)
	}
	if err := r.ended(); err != nil {
		t.Error(err)
	}
}
