package holdfastgin

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast/core"
)

// serverSeries are the metrics of one registry, shared by its engines.
type serverSeries struct {
	buckets  []float64
	native   bool
	duration *prometheus.HistogramVec
	active   *prometheus.GaugeVec
	streams  prometheus.Gauge
}

func newServerSeries(buckets []float64, native bool) *serverSeries {
	opts := prometheus.HistogramOpts{
		Name:    "http_server_request_duration_seconds",
		Help:    "Duration of HTTP server requests; of a stream, until it began.",
		Buckets: buckets,
	}
	if native {
		opts.NativeHistogramBucketFactor = 1.1
		opts.NativeHistogramMaxBucketNumber = 160
		opts.NativeHistogramMinResetDuration = time.Hour
	}
	return &serverSeries{
		buckets: buckets, native: native,
		duration: prometheus.NewHistogramVec(opts, []string{"http_request_method", "http_route", "http_response_status_code"}),
		active: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "http_server_active_requests",
			Help: "HTTP server requests that are being handled, streams included.",
		}, []string{"http_request_method"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "http_server_active_streams",
			Help: "HTTP server requests that have become a stream of events or a hijacked connection, and whose handlers have not returned.",
		}),
	}
}

// Describe implements prometheus.Collector.
func (s *serverSeries) Describe(ch chan<- *prometheus.Desc) {
	s.duration.Describe(ch)
	s.active.Describe(ch)
	s.streams.Describe(ch)
}

// Collect implements prometheus.Collector.
func (s *serverSeries) Collect(ch chan<- prometheus.Metric) {
	s.duration.Collect(ch)
	s.active.Collect(ch)
	s.streams.Collect(ch)
}

// register adds the metrics to a registry, all or none, and returns those that it
// has already if they are the same.
func (s *serverSeries) register(reg prometheus.Registerer) (*serverSeries, error) {
	err := reg.Register(s)
	if err == nil {
		return s, nil
	}
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if there, ok := already.ExistingCollector.(*serverSeries); ok {
			if slices.Equal(there.buckets, s.buckets) && there.native == s.native {
				return there, nil
			}
			err = errors.New("it has these metrics with other Buckets or NativeHistograms")
		}
	}
	return nil, fmt.Errorf("%w: the registry refuses: %w", core.ErrInvalid, err)
}

// of returns the series of one kind of answer.
func (s *serverSeries) of(m httpMethod, route string, code int) *durationSeries {
	o := s.duration.WithLabelValues(m.String(), strings.ToValidUTF8(route, "\uFFFD"), strconv.Itoa(code))
	d := &durationSeries{code: code, observer: o, buckets: s.buckets, due: make([]atomic.Int64, len(s.buckets)+1)}
	d.exemplars, _ = o.(prometheus.ExemplarObserver)
	return d
}

// httpMethod is one of the methods of HTTP, or any other.
type httpMethod uint8

const methodOther httpMethod = 0

var methodNames = [...]string{"_OTHER", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"}

// String returns the value of the label.
func (m httpMethod) String() string { return methodNames[m] }

func methodOf(name string) httpMethod {
	switch name {
	case "GET":
		return 1
	case "HEAD":
		return 2
	case "POST":
		return 3
	case "PUT":
		return 4
	case "PATCH":
		return 5
	case "DELETE":
		return 6
	case "CONNECT":
		return 7
	case "OPTIONS":
		return 8
	case "TRACE":
		return 9
	}
	return methodOther
}
