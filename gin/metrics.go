package holdfastgin

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast/core"
)

// RouteUnmatched is the route label of requests that no route takes, whatever
// their path.
const RouteUnmatched = "unmatched"

// MetricsOptions refine [Metrics]. The zero value is good for most services.
type MetricsOptions struct {
	// Buckets are the upper bounds of the duration's buckets, in seconds, ascending.
	// Default 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 0.8, 1, 2.5, 5,
	// 7.5, 10: those of OpenTelemetry, and 0.8.
	Buckets []float64
	// NativeHistograms keeps native histograms (growth factor 1.1, at most 160
	// buckets) besides the buckets; only a scrape in the protobuf format sees them.
	// Default false.
	NativeHistograms bool
	// Skip names routes that are not measured, as [gin.Context.FullPath] says them:
	// "/metrics", "/users/:id". [RouteUnmatched] is allowed. Default none.
	Skip []string
	// TraceID returns the trace that a request belongs to, for exemplars; "" is
	// none. It is called when the handlers have returned, or when a stream begins,
	// unless the request's bucket has an exemplar of this second already. Text longer
	// than 64 characters or not UTF-8 is ignored. Default: the trace ID of the traceparent header (W3C Trace Context)
	// if its sampled flag is set.
	TraceID func(c *gin.Context) string
}

// Metrics returns a middleware that measures requests and registers these
// metrics with reg, named as OpenTelemetry's are in Prometheus:
//
//   - http_server_request_duration_seconds, a histogram, by http_request_method,
//     http_route and http_response_status_code;
//   - http_server_active_requests, a gauge, by http_request_method;
//   - http_server_active_streams, a gauge: those of the active requests that have
//     become a stream.
//
// A stranger can't make series at will: the route is the pattern that matched, or
// "unmatched"; a method that is not one of the nine of HTTP is "_OTHER"; there is
// no label of host or path.
//
// A panic counts as status 500, whether gin.Recovery comes before or after. (One
// exception: when the header was sent already and Recovery comes after, the status
// that was sent counts, because Recovery tells nobody.) A response of type
// text/event-stream is measured once, at its first flush, and a hijacked
// connection (WebSocket) when it is taken, with status 101: how long they stay
// open is no latency. Everything else is measured when its handlers have
// returned. Redirects that the router itself answers (trailing slashes) run no
// middleware and are not seen.
//
// Where a request has a trace ID, it becomes the exemplar trace_id of its
// bucket, at most once a second for each; a scrape in the OpenMetrics format
// shows it. See [MetricsHandler].
//
// Several engines may share reg: with the same Buckets and NativeHistograms they
// share the metrics. The handler is safe for concurrent use, and measuring costs
// no allocation but for the first request of a series and for exemplars.
//
// Errors, all of kind [core.ErrInvalid]: reg is nil or holds other metrics of
// these names, or Buckets are not ascending finite numbers.
func Metrics(reg prometheus.Registerer, opts MetricsOptions) (gin.HandlerFunc, error) {
	if reg == nil {
		return nil, fmt.Errorf("holdfastgin: metrics: %w: the registry is nil; give one, such as prometheus.NewRegistry()", core.ErrInvalid)
	}
	buckets, err := bucketsOf(opts.Buckets)
	if err != nil {
		return nil, fmt.Errorf("holdfastgin: metrics: %w", err)
	}
	series, err := newServerSeries(buckets, opts.NativeHistograms).register(reg)
	if err != nil {
		return nil, fmt.Errorf("holdfastgin: metrics: %w", err)
	}
	m := &meter{series: series, skip: slices.Clone(opts.Skip), traceID: opts.TraceID, epoch: time.Now()}
	if m.traceID == nil {
		m.traceID = traceparent
	}
	m.exchanges.New = func() any { return new(exchange) }
	m.routes.Store(&map[string]*meteredRoute{})
	return m.handle, nil
}

// defaultBuckets are the bounds that OpenTelemetry advises for HTTP, and 0.8 s.
var defaultBuckets = [...]float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 0.8, 1, 2.5, 5, 7.5, 10}

func bucketsOf(given []float64) ([]float64, error) {
	if len(given) == 0 {
		return slices.Clone(defaultBuckets[:]), nil
	}
	for i, b := range given {
		if math.IsNaN(b) || math.IsInf(b, 0) || i > 0 && b <= given[i-1] {
			return nil, fmt.Errorf("%w: MetricsOptions.Buckets are %v; give ascending finite numbers", core.ErrInvalid, given)
		}
	}
	return slices.Clone(given), nil
}
