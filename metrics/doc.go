// Package metrics shows a [holdfast.Service] to Prometheus: one collector that
// reads [holdfast.Service.Status] when it is scraped, and needs no web framework.
//
//	reg := prometheus.NewRegistry()
//	c, err := metrics.New(svc, metrics.Options{})
//	if err != nil { ... }
//	reg.MustRegister(c)
//
// The registry is the program's own. Its business metrics are plain client_golang
// on the same registry; nothing here wraps them, nothing is registered globally,
// and nothing runs between scrapes.
//
// docs/metrics.md lists every metric with its unit and meaning. No metric holds a
// value of the configuration; labels hold paths, names of services and IDs of
// instances.
package metrics
