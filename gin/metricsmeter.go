package holdfastgin

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

// meter is the middleware of [Metrics]. What it looks up for each request is
// cached in maps and slices that are replaced, never changed.
type meter struct {
	series    *serverSeries
	skip      []string
	traceID   func(*gin.Context) string
	epoch     time.Time
	exchanges sync.Pool

	routes atomic.Pointer[map[string]*meteredRoute] // by gin's full path
	mu     sync.Mutex                               // held while any of the caches is replaced
}

// meteredRoute is what is known of a route.
type meteredRoute struct {
	name    string
	skipped bool
	methods [len(methodNames)]atomic.Pointer[meteredMethod]
}

// meteredMethod is what is known of a method of a route.
type meteredMethod struct {
	route  string
	method httpMethod
	active prometheus.Gauge
	codes  atomic.Pointer[[]*durationSeries] // a handful: searched one by one
}

// handle measures one request.
func (m *meter) handle(c *gin.Context) {
	route := m.route(c.FullPath())
	if route.skipped {
		return
	}
	method := methodOf(c.Request.Method)
	of := route.methods[method].Load()
	if of == nil {
		of = m.addMethod(route, method)
	}
	x := m.exchanges.Get().(*exchange)
	x.ResponseWriter, x.c, x.meter, x.of = c.Writer, c, m, of
	x.began, x.returned = time.Since(m.epoch), false // the monotonic clock alone: time.Now reads two
	of.active.Inc()
	c.Writer = x
	defer x.end()
	c.Next()
	x.returned = true
}

func (m *meter) route(path string) *meteredRoute {
	if r, ok := (*m.routes.Load())[path]; ok {
		return r
	}
	return m.addRoute(path)
}

// addRoute makes a route known; there are as many as the engines have.
func (m *meter) addRoute(path string) *meteredRoute {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := *m.routes.Load()
	if r, ok := known[path]; ok {
		return r
	}
	r := &meteredRoute{name: path}
	if path == "" {
		r.name = RouteUnmatched
	}
	r.skipped = slices.Contains(m.skip, r.name)
	more := maps.Clone(known)
	more[path] = r
	m.routes.Store(&more)
	return r
}

func (m *meter) addMethod(r *meteredRoute, method httpMethod) *meteredMethod {
	m.mu.Lock()
	defer m.mu.Unlock()
	if of := r.methods[method].Load(); of != nil {
		return of
	}
	of := &meteredMethod{route: r.name, method: method, active: m.series.active.WithLabelValues(method.String())}
	of.codes.Store(&[]*durationSeries{})
	r.methods[method].Store(of)
	return of
}

// observe adds the duration of an exchange.
func (m *meter) observe(x *exchange, code int) {
	if code < 100 || code > 999 {
		code = 500 // net/http panics when it should send such a status
	}
	now := time.Since(m.epoch)
	x.of.code(m, code).observe(now-x.began, now, m.traceID, x.c)
}

// code returns the series of a status.
func (of *meteredMethod) code(m *meter, code int) *durationSeries {
	for _, d := range *of.codes.Load() {
		if d.code == code {
			return d
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	known := *of.codes.Load()
	for _, d := range known {
		if d.code == code {
			return d
		}
	}
	d := m.series.of(of.method, of.route, code)
	more := append(slices.Clip(known), d)
	of.codes.Store(&more)
	return d
}
