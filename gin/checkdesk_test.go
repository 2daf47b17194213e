package holdfastgin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/health"
)

// newChecks makes a set that ends with the test.
func newChecks(t testing.TB) *health.Set {
	t.Helper()
	s := health.New(health.Options{Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

// part is a check whose outcome the test decides.
type part struct {
	name string
	bad  atomic.Bool
	runs atomic.Int64
}

const partText = "user bob was refused by 10.0.0.9"

func (p *part) Name() string { return p.name }

func (p *part) Check(context.Context) health.Result {
	p.runs.Add(1)
	if p.bad.Load() {
		return health.Result{Err: errors.New(partText), Details: map[string]any{"pool": 7}}
	}
	return health.Result{}
}

func register(t testing.TB, s *health.Set, name string, opts health.CheckOptions) *part {
	t.Helper()
	p := &part{name: name}
	opts.CacheFor = -1
	if err := s.Register(p, opts); err != nil {
		t.Fatal(err)
	}
	return p
}

// request asks an engine.
func request(engine *gin.Engine, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), method, path, nil))
	return w
}

// codes asks several paths, each with GET and HEAD.
func codes(t *testing.T, engine *gin.Engine, when string, want map[string]int) {
	t.Helper()
	for path, code := range want {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			w := request(engine, method, path)
			if w.Code != code || w.Header().Get("Cache-Control") != "no-store" || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
				t.Errorf("%s: %s %s says %d %s with %v, want %d", when, method, path, w.Code, w.Body, w.Header(), code)
			}
		}
	}
}

func engineWith(t testing.TB, opts MountOptions, svc *holdfast.Service) *gin.Engine {
	t.Helper()
	engine := gin.New()
	if err := Mount(engine, svc, opts); err != nil {
		t.Fatal(err)
	}
	return engine
}
