package holdfastgin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/holdfast-go/holdfast/core"
)

func TestProblem_IsWrittenAsRFC9457Says(t *testing.T) {
	for name, row := range map[string]struct {
		p    Problem
		want string
	}{
		"zero":                {Problem{}, `{"title":"Internal Server Error","status":500}`},
		"status alone":        {Problem{Status: 404}, `{"title":"Not Found","status":404}`},
		"status of nobody":    {Problem{Status: 599}, `{"title":"Status 599","status":599}`},
		"status of an answer": {Problem{Status: 200}, `{"title":"Internal Server Error","status":500}`},
		"all": {
			Problem{Type: "https://example.org/p", Title: "T", Status: 503, Detail: "d", Instance: "/i", Level: core.Cached, RetryAfter: 1500 * time.Millisecond,
				Extensions: map[string]any{"b": 1, "a": []string{"x"}}},
			`{"type":"https://example.org/p","title":"T","status":503,"detail":"d","instance":"/i","level":"cached","retry_after":2,"a":["x"],"b":1}`,
		},
		"extensions named as members": {
			Problem{Status: 400, Extensions: map[string]any{"type": "x", "status": 1, "retry_after": 7, "level": "live"}}, `{"title":"Bad Request","status":400}`,
		},
		"negative wait":     {Problem{Status: 503, RetryAfter: -time.Second}, `{"title":"Service Unavailable","status":503}`},
		"longest wait":      {Problem{Status: 503, RetryAfter: 1<<63 - 1}, `{"title":"Service Unavailable","status":503,"retry_after":9223372037}`},
		"a nanosecond more": {Problem{Status: 503, RetryAfter: time.Second + 1}, `{"title":"Service Unavailable","status":503,"retry_after":2}`},
	} {
		got, err := json.Marshal(row.p)
		if err != nil || string(got) != row.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, row.want)
		}
	}
}

// asked is what one request to a handler gets over the wire.
func asked(t *testing.T, method string, handlers ...gin.HandlerFunc) *http.Response {
	t.Helper()
	engine := gin.New()
	engine.Handle(method, "/", handlers...)
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/", nil))
	return w.Result()
}

// bodyOf reads the members of a problem.
func bodyOf(t *testing.T, resp *http.Response) map[string]any {
	t.Helper()
	defer func() { _ = resp.Body.Close() }()
	var members map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&members); err != nil {
		t.Fatalf("status %d has no problem for a body: %v", resp.StatusCode, err)
	}
	return members
}

func TestWriteProblem_AnswersOnce(t *testing.T) {
	var ran bool
	resp := asked(t, http.MethodGet,
		func(c *gin.Context) {
			c.Header("Etag", `"7"`)
			c.Header("Content-Length", "1000")
			WriteProblem(c, Problem{Status: 503, RetryAfter: 2 * time.Second})
		},
		func(*gin.Context) { ran = true })
	body := bodyOf(t, resp)
	for name, want := range map[string]string{
		"Content-Type": ProblemType, "Cache-Control": "no-store", "Retry-After": "2", "Etag": "", "Content-Length": "",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q; want %q", name, got, want)
		}
	}
	if ran || resp.StatusCode != 503 || body["status"] != 503.0 || body["retry_after"] != 2.0 {
		t.Errorf("status %d, %v; the next handler ran: %v", resp.StatusCode, body, ran)
	}
}

func TestWriteProblem_HasNoBodyForHead(t *testing.T) {
	resp := asked(t, http.MethodHead, func(c *gin.Context) { WriteProblem(c, Problem{Status: 429, RetryAfter: time.Second}) })
	defer func() { _ = resp.Body.Close() }()
	var b [1]byte
	if n, _ := resp.Body.Read(b[:]); n > 0 || resp.StatusCode != 429 || resp.Header.Get("Content-Type") != ProblemType || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("status %d, headers %v, %d bytes", resp.StatusCode, resp.Header, n)
	}
}

func TestWriteProblem_LeavesWhatWasWritten(t *testing.T) {
	resp := asked(t, http.MethodGet, func(c *gin.Context) {
		c.String(http.StatusOK, "{}")
		WriteProblem(c, Problem{Status: 503})
	})
	if body := bodyOf(t, resp); resp.StatusCode != 200 || len(body) > 0 || resp.Header.Get("Content-Type") == ProblemType {
		t.Errorf("status %d, %v", resp.StatusCode, body)
	}
}

func TestWriteProblem_LeavesOutWhatCantBeWritten(t *testing.T) {
	resp := asked(t, http.MethodGet, func(c *gin.Context) {
		WriteProblem(c, Problem{Status: 503, Detail: "\xff", Extensions: map[string]any{"f": func() {}}})
	})
	if body := bodyOf(t, resp); resp.StatusCode != 503 || body["title"] != "Service Unavailable" || body["detail"] != "\ufffd" {
		t.Errorf("status %d, %v", resp.StatusCode, body)
	}
}

func TestProblem_IsAnError(t *testing.T) {
	want := Problem{Status: 409, Detail: "it was sold", Extensions: map[string]any{"id": 7}}
	err := fmt.Errorf("order: %w", want)
	got, ok := ProblemOf(err)
	if !ok || got.Status != 409 || got.Detail != "it was sold" || got.Extensions["id"] != 7 {
		t.Errorf("%+v, %v", got, ok)
	}
	if err.Error() != "order: Conflict: it was sold" || (Problem{Status: 404}).Error() != "Not Found" {
		t.Errorf("%v; %v", err, Problem{Status: 404})
	}
	if errors.Is(err, core.ErrConflict) {
		t.Error("it is of a kind")
	}
}
