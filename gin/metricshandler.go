package holdfastgin

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// MetricsHandlerOptions refine [MetricsHandler]. The zero value works.
type MetricsHandlerOptions struct {
	// Logger gets a line when metrics can't be gathered, and again only when the
	// reason is another. Default slog.Default().
	Logger *slog.Logger
}

// MetricsHandler returns the handler of /metrics: what g gathers, in the format
// that the scraper asks for (the text format, OpenMetrics with exemplars, or
// protobuf with native histograms), compressed if it wants that. Scrapes at the
// same time share one gathering. A collector that fails hides no other; the
// answer is 500 only when there is nothing to show. A nil g shows nothing. The
// handler is safe for concurrent use.
//
//	engine.GET("/metrics", holdfastgin.MetricsHandler(reg, holdfastgin.MetricsHandlerOptions{}))
func MetricsHandler(g prometheus.Gatherer, opts MetricsHandlerOptions) gin.HandlerFunc {
	if g == nil {
		g = prometheus.Gatherers{}
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	return gin.WrapH(promhttp.HandlerFor(g, promhttp.HandlerOpts{
		ErrorLog:          &scrapeLog{log: opts.Logger},
		ErrorHandling:     promhttp.ContinueOnError,
		EnableOpenMetrics: true,
		CoalesceGather:    true,
	}))
}

// mountMetrics adds /metrics, if there is something to show.
func mountMetrics(router gin.IRouter, g prometheus.Gatherer) error {
	if g == nil {
		return nil
	}
	if err := add(router, "/metrics", MetricsHandler(g, MetricsHandlerOptions{})); err != nil {
		return fmt.Errorf("holdfastgin: mount: %w", err)
	}
	return nil
}

// scrapeLog takes what promhttp complains of with each scrape.
type scrapeLog struct {
	log *slog.Logger

	mu   sync.Mutex
	last string
}

// Println implements promhttp.Logger.
func (l *scrapeLog) Println(v ...any) {
	text := fmt.Sprint(v...)
	l.mu.Lock()
	again := text == l.last
	l.last = text
	l.mu.Unlock()
	if !again {
		l.log.Warn("holdfast: metrics are incomplete", slog.String("error", text))
	}
}
