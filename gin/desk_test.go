package holdfastgin

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

// patience is how long a test waits for what should come at once.
const patience = 20 * time.Second

// newBackend makes a backend with some configuration.
func newBackend(t *testing.T) *memory.Backend {
	t.Helper()
	b := memory.New(memory.Options{Heartbeat: 200 * time.Millisecond})
	t.Cleanup(b.Close)
	b.Put("/config/orders/limits/max_items", []byte("7"))
	return b
}

// startService starts a service on a backend. Who ends the test closes it too.
func startService(t testing.TB, b *memory.Backend, cache core.CacheStore) *holdfast.Service {
	t.Helper()
	svc, err := holdfast.Start(t.Context(), holdfast.Options{
		Name: "orders", Version: "1.0.0", Cache: cache,
		Registry: b.Registry(), Config: b.ConfigSource("/config/orders/"),
		RecoverySpread: -1, RequestTimeout: 300 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = svc.Close(ctx)
	})
	return svc
}

// running is a Run under test.
type running struct {
	t      *testing.T
	life   *Lifecycle
	url    string
	client *http.Client
	stop   context.CancelFunc
	done   chan error
	log    *logbook
}

// fast are budgets for tests.
func fast() LifecycleOptions {
	return LifecycleOptions{
		DrainTimeout: 300 * time.Millisecond, LameDuck: -1, DeregisterTimeout: 300 * time.Millisecond,
		ShutdownTimeout: 10 * time.Second, HookTimeout: time.Second, FlushTimeout: time.Second, CloseTimeout: time.Second,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// runService runs a service on a port of its own, until the test ends.
func runService(t *testing.T, svc *holdfast.Service, engine *gin.Engine, opts RunOptions) *running {
	t.Helper()
	r := &running{t: t, done: make(chan error, 1), log: &logbook{}}
	if opts.Listener == nil {
		opts.Listener = listen(t, "127.0.0.1:0")
	}
	r.url = "http://" + opts.Listener.Addr().String()
	opts.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	if opts.Lifecycle == nil {
		opts.Stop.Logger = opts.Logger
		opts.Lifecycle = NewLifecycle(svc, opts.Stop)
	}
	r.life = opts.Lifecycle
	r.client = &http.Client{Transport: &http.Transport{}, Timeout: patience}
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.done <- Run(ctx, svc, engine, "", opts)
	}()
	t.Cleanup(func() {
		r.life.Hurry()
		stop()
		<-ended
		r.client.CloseIdleConnections()
	})
	eventually(t, "the service serves", func() bool { return r.life.Phase() >= PhaseReady })
	return r
}

// ended returns what Run returned.
func (r *running) ended() error {
	r.t.Helper()
	select {
	case err := <-r.done:
		return err
	case <-time.After(patience):
		r.t.Fatal("Run has not returned")
		return nil
	}
}

// get returns the status and the body of a request.
func (r *running) get(path string) (int, string) {
	r.t.Helper()
	resp := r.request(http.MethodGet, path)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func (r *running) request(method, path string) *http.Response {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp
}

func listen(t *testing.T, addr string) net.Listener {
	t.Helper()
	var config net.ListenConfig
	ln, err := config.Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// eventually waits for a condition that real goroutines bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// instances lists what a healthy backend holds of a service.
func instances(t *testing.T, b *memory.Backend, service string) map[string]core.Instance {
	t.Helper()
	s, err := b.Registry().Discover(t.Context(), service)
	if err != nil {
		t.Fatal(err)
	}
	return s.Items
}

// readReport reads the body of a health endpoint.
func readReport(t *testing.T, body string) report {
	t.Helper()
	var r report
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	return r
}

// logbook is a log that a test reads while it is written.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) lines(with string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, with) {
			found = append(found, line)
		}
	}
	return found
}
