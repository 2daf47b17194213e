package holdfastgin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/provenance"
	"github.com/holdfast-go/holdfast/policy"
)

// reporting is a handler that reports an error and writes nothing.
func reporting(err error) gin.HandlerFunc {
	return func(c *gin.Context) { _ = c.Error(err) }
}

var errSecret = &core.Error{Driver: "etcd", Op: "load", Key: "passwords/db", Kind: core.ErrUnavailable, Err: errors.New("dial 10.0.0.7")}

func TestProblems_AnswersForHandlersThatOnlyReport(t *testing.T) {
	resp := asked(t, http.MethodGet, Problems(ProblemOptions{}), reporting(fmt.Errorf("users: %w", errSecret)))
	retry, body := resp.Header.Get("Retry-After"), bodyOf(t, resp)
	if resp.StatusCode != 503 || resp.Header.Get("Content-Type") != ProblemType || body["type"] != called("unavailable") {
		t.Errorf("status %d, %v, %v", resp.StatusCode, resp.Header, body)
	}
	if retry != "1" && retry != "2" {
		t.Errorf("Retry-After: %q; want 1, and at most a second more", retry)
	}
	if text := fmt.Sprint(body); strings.Contains(text, "passwords") || strings.Contains(text, "10.0.0.7") {
		t.Errorf("it tells a stranger: %s", text)
	}
}

func TestProblems_LeavesTheRestAlone(t *testing.T) {
	for name, row := range map[string]struct {
		handler gin.HandlerFunc
		status  int
		body    string
	}{
		"no error":        {func(c *gin.Context) { c.Status(204) }, 204, ""},
		"written":         {func(c *gin.Context) { c.String(200, "x"); _ = c.Error(errSecret) }, 200, "x"},
		"abort":           {func(c *gin.Context) { _ = c.AbortWithError(502, errSecret) }, 502, ""},
		"unknown error":   {reporting(errors.New("oh")), 200, ""},
		"unknown, status": {func(c *gin.Context) { c.Status(418); _ = c.Error(errors.New("oh")) }, 418, ""},
	} {
		w := httptest.NewRecorder()
		engine := gin.New()
		engine.GET("/", Problems(ProblemOptions{}), row.handler)
		engine.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		if w.Code != row.status || w.Body.String() != row.body || w.Header().Get("Content-Type") == ProblemType {
			t.Errorf("%s: %d %q %v; want %d %q", name, w.Code, w.Body, w.Header(), row.status, row.body)
		}
	}
}

func TestProblems_TakesTheNewestErrorThatIsOne(t *testing.T) {
	resp := asked(t, http.MethodGet, Problems(ProblemOptions{}), func(c *gin.Context) {
		_ = c.Error(core.ErrNotFound)
		_ = c.Error(policy.ErrLimited)
		_ = c.Error(errors.New("could not write the audit log"))
	})
	if body := bodyOf(t, resp); resp.StatusCode != 429 || body["type"] != called("rate-limited") {
		t.Errorf("status %d, %v", resp.StatusCode, body)
	}
}

func TestProblems_UnknownErrorsAreOfTheServerOrOfWhatAClientSent(t *testing.T) {
	for kind, want := range map[gin.ErrorType]int{gin.ErrorTypePrivate: 500, gin.ErrorTypeBind: 400} {
		resp := asked(t, http.MethodGet, Problems(ProblemOptions{Unknown: true}), func(c *gin.Context) {
			_ = c.Error(errors.New("oh")).SetType(kind)
		})
		if body := bodyOf(t, resp); resp.StatusCode != want || body["title"] != http.StatusText(want) {
			t.Errorf("type %d: status %d, %v; want %d", kind, resp.StatusCode, body, want)
		}
	}
}

func TestProblems_KeepsTheStatusOfTheHandler(t *testing.T) {
	resp := asked(t, http.MethodGet, Problems(ProblemOptions{}), func(c *gin.Context) {
		c.Status(http.StatusBadGateway)
		_ = c.Error(policy.ErrOpen)
	})
	if body := bodyOf(t, resp); resp.StatusCode != 502 || body["status"] != 502.0 || body["type"] != called("breaker-open") {
		t.Errorf("status %d, %v", resp.StatusCode, body)
	}
}

// TestProblems_404IsNobodysChoiceWhereNoRouteMatches: gin sets it before the handlers
// of NoRoute run, a proxy say.
func TestProblems_404IsNobodysChoiceWhereNoRouteMatches(t *testing.T) {
	engine := gin.New()
	engine.Use(Problems(ProblemOptions{}))
	engine.NoRoute(func(c *gin.Context) {
		if c.Request.URL.Path == "/proxied" {
			_ = c.Error(policy.ErrOpen)
		}
	})
	if w := serve(t, engine, "GET", "/proxied"); w.Code != 503 {
		t.Errorf("the proxy's error is %d %s", w.Code, w.Body)
	}
	if w := serve(t, engine, "GET", "/none"); w.Code != 404 || w.Header().Get("Content-Type") == ProblemType {
		t.Errorf("no route: %d %s", w.Code, w.Body)
	}
}

func TestProblems_TitleOfABareStatusIsThatOfTheStatus(t *testing.T) {
	resp := asked(t, http.MethodGet, Problems(ProblemOptions{}), func(c *gin.Context) {
		c.Status(http.StatusGone)
		_ = c.Error(core.ErrNotFound)
	})
	if body := bodyOf(t, resp); body["title"] != "Gone" || body["status"] != 410.0 {
		t.Errorf("%v", body)
	}
}

func TestProblems_TellsTextsToWhoMayReadThem(t *testing.T) {
	private := fmt.Errorf("users: %w", errSecret)
	authorized := ProblemOptions{Authorize: func(*gin.Context) bool { return true }}
	for name, row := range map[string]struct {
		opts   ProblemOptions
		err    error
		public bool
		detail any
	}{
		"strangers":         {ProblemOptions{}, private, false, nil},
		"authorized":        {authorized, private, false, private.Error()},
		"public":            {ProblemOptions{}, fmt.Errorf("%w: no such order", core.ErrNotFound), true, "not found: no such order"},
		"long":              {authorized, fmt.Errorf("%w: %s", core.ErrInvalid, strings.Repeat("x", 9000)), false, "invalid: " + strings.Repeat("x", 4087) + "..."},
		"unknown, stranger": {ProblemOptions{Unknown: true}, errors.New("oh"), false, nil},
		"unknown":           {ProblemOptions{Unknown: true, Authorize: authorized.Authorize}, errors.New("oh"), false, "oh"},
	} {
		resp := asked(t, http.MethodGet, Problems(row.opts), func(c *gin.Context) {
			e := c.Error(row.err)
			if row.public {
				_ = e.SetType(gin.ErrorTypePublic)
			}
		})
		if body := bodyOf(t, resp); body["detail"] != row.detail {
			t.Errorf("%s: the detail is %v; want %v", name, body["detail"], row.detail)
		}
	}
}

func TestProblems_SaysTheLevel(t *testing.T) {
	resp := asked(t, http.MethodGet, Problems(ProblemOptions{}), Provenance(nil, ProvenanceOptions{Of: []Part{partAt(core.Memory, time.Second)}, Headers: true}),
		func(c *gin.Context) {
			provenance.Note(c.Request.Context(), core.Cached, time.Minute)
			_ = c.Error(policy.ErrFull)
		})
	wantHeaders(t, "problem", resp.Header, "cached", "60")
	if body := bodyOf(t, resp); body["level"] != "cached" {
		t.Errorf("%v", body)
	}
}

func TestProblems_WriterCanBeReplaced(t *testing.T) {
	opts := ProblemOptions{TypeBase: "https://errors.example/", WriteProblem: func(c *gin.Context, p Problem) {
		c.AbortWithStatusJSON(p.Status, gin.H{"code": p.Type})
	}}
	resp := asked(t, http.MethodGet, Problems(opts), reporting(policy.ErrFull))
	if body := bodyOf(t, resp); resp.StatusCode != 503 || body["code"] != "https://errors.example/overloaded" || len(body) != 1 {
		t.Errorf("status %d, %v", resp.StatusCode, body)
	}
}

func TestProblems_TakesAProblemAsItIs(t *testing.T) {
	own := Problem{Status: 503, Title: "Closed on Sundays", RetryAfter: 10 * time.Second}
	resp := asked(t, http.MethodGet, Problems(ProblemOptions{Authorize: func(*gin.Context) bool { return true }}), reporting(fmt.Errorf("x: %w", own)))
	retry, body := resp.Header.Get("Retry-After"), bodyOf(t, resp)
	if retry != "10" || fmt.Sprint(body) != "map[retry_after:10 status:503 title:Closed on Sundays]" {
		t.Errorf("Retry-After %q, %v", retry, body)
	}
}

func TestProblems_TellsGoneClientsFromStoppingServers(t *testing.T) {
	for name, row := range map[string]struct {
		cause  error // of the end of the request's ctx
		inner  error // of the end of a ctx that a middleware after it made
		err    error
		status int
	}{
		"client hung up":           {context.Canceled, nil, context.Canceled, StatusClientClosedRequest},
		"requests end":             {errRequestsEnd, nil, context.Canceled, 503},
		"requests end, its cause":  {errRequestsEnd, nil, errRequestsEnd, 503},
		"streams end":              {nil, errStreamsEnd, context.Canceled, 503},
		"a ctx that nobody awaits": {nil, context.Canceled, context.Canceled, 200},
		"hung up, but answered":    {context.Canceled, nil, core.ErrNotFound, 404},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		engine := gin.New()
		engine.GET("/", Problems(ProblemOptions{}), func(c *gin.Context) {
			inner, end := context.WithCancelCause(c.Request.Context())
			c.Request = c.Request.WithContext(inner)
			if row.inner != nil {
				end(row.inner)
			}
			c.Next()
			end(nil)
		}, func(c *gin.Context) {
			if row.cause != nil {
				cancel(row.cause)
			}
			_ = c.Error(fmt.Errorf("users: %w", row.err))
		})
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
		cancel(nil)
		if w.Code != row.status {
			t.Errorf("%s: %d %s; want %d", name, w.Code, w.Body, row.status)
		}
		if draining := strings.Contains(w.Body.String(), called("draining")); draining != (row.status == 503) {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
}

func TestProblems_RetryAfterIsNeverShorterAndSpread(t *testing.T) {
	for d, want := range map[time.Duration][2]int64{ // least and most seconds
		0: {0, 0}, -time.Second: {0, 0}, 1: {1, 2}, time.Second: {1, 2}, 1001 * time.Millisecond: {2, 3},
		8 * time.Second: {8, 10}, time.Minute: {60, 75}, time.Hour: {3600, 4500},
	} {
		least := spread(d, func(int64) int64 { return 0 })
		most := spread(d, func(n int64) int64 { return n - 1 })
		if least != time.Duration(want[0])*time.Second || most != time.Duration(want[1])*time.Second {
			t.Errorf("%v is said as %v to %v; want %v s", d, least, most, want)
		}
	}
	resp := asked(t, http.MethodGet, Problems(ProblemOptions{RetryAfter: -1}), reporting(policy.ErrFull))
	_ = resp.Body.Close()
	if got := resp.Header.Get("Retry-After"); got != "" {
		t.Errorf("nothing should be said, but it is %q", got)
	}
	for range 20 {
		resp := asked(t, http.MethodGet, Problems(ProblemOptions{RetryAfter: 30 * time.Second}), reporting(policy.ErrFull))
		_ = resp.Body.Close()
		if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || n < 30 || n > 37 {
			t.Errorf("Retry-After: %q; want 30 to 37", resp.Header.Get("Retry-After"))
		}
	}
}

func TestProblems_LetsPanicsPass(t *testing.T) {
	engine := gin.New()
	engine.Use(gin.CustomRecoveryWithWriter(nil, func(c *gin.Context, _ any) { WriteProblem(c, Problem{}) }), Problems(ProblemOptions{}))
	engine.GET("/", func(c *gin.Context) { _ = c.Error(policy.ErrFull); panic("oh") })
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if w.Code != 500 || w.Body.String() != `{"title":"Internal Server Error","status":500}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestProblems_OverTheWireARequestThatIsCutShortIsDraining: the process is told to
// hurry while a handler waits for something.
func TestProblems_OverTheWireARequestThatIsCutShortIsDraining(t *testing.T) {
	svc := startService(t, newBackend(t), nil)
	engine := gin.New()
	engine.Use(Problems(ProblemOptions{}), Provenance(svc, ProvenanceOptions{Headers: true}))
	begun := make(chan struct{})
	engine.GET("/slow", func(c *gin.Context) {
		close(begun)
		<-c.Request.Context().Done()
		_ = c.Error(fmt.Errorf("users: %w", c.Request.Context().Err()))
	})
	r := runService(t, svc, engine, RunOptions{Stop: fast()})
	answered := make(chan *http.Response, 1)
	go func() { answered <- r.request(http.MethodGet, "/slow") }()
	<-begun
	r.stop()
	r.life.Hurry()
	var resp *http.Response
	select {
	case resp = <-answered:
	case <-time.After(patience):
		t.Fatal("no answer")
	}
	level, retry, body := resp.Header.Get(HeaderLevel), resp.Header.Get("Retry-After"), bodyOf(t, resp)
	if resp.StatusCode != 503 || body["type"] != called("draining") || level == "" || retry == "" {
		t.Errorf("status %d, level %q, Retry-After %q, %v", resp.StatusCode, level, retry, body)
	}
	if err := r.ended(); err != nil {
		t.Errorf("Run: %v", err)
	}
}
