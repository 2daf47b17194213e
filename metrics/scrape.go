package metrics

import (
	"cmp"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/holdfast-go/holdfast/core"
)

// scrape hands samples to a registry. It makes them by the chunk: a service with
// thousands of bindings would otherwise make ten thousand small allocations.
type scrape struct {
	ch      chan<- prometheus.Metric
	samples []sample
	owners  []owner
}

const chunk = 256

// sample is one value of a family.
type sample struct {
	*family
	labels []*dto.LabelPair
	value  float64
}

// Desc implements prometheus.Metric.
func (s *sample) Desc() *prometheus.Desc { return s.desc }

// Write implements prometheus.Metric.
func (s *sample) Write(out *dto.Metric) error {
	out.Label = s.labels
	if s.counter {
		out.Counter = &dto.Counter{Value: &s.value}
	} else {
		out.Gauge = &dto.Gauge{Value: &s.value}
	}
	return nil
}

func (s *scrape) send(f *family, value float64, labels []*dto.LabelPair) {
	if len(s.samples) == 0 {
		s.samples = make([]sample, chunk)
	}
	one := &s.samples[0]
	s.samples = s.samples[1:]
	one.family, one.value, one.labels = f, value, labels
	s.ch <- one
}

func (s *scrape) flag(f *family, yes bool, labels []*dto.LabelPair) {
	value := 0.0
	if yes {
		value = 1
	}
	s.send(f, value, labels)
}

func (s *scrape) level(f *family, l core.Level, labels []*dto.LabelPair) {
	value := float64(l)
	if l == core.None {
		value = float64(core.Empty) + 1 // the greater, the worse
	}
	s.send(f, value, labels)
}

func (s *scrape) moment(f *family, t time.Time, labels []*dto.LabelPair) {
	if !t.IsZero() {
		s.send(f, float64(t.UnixNano())/1e9, labels)
	}
}

// owner is the one label of all samples of a part.
type owner struct {
	pair  dto.LabelPair
	value string
	list  [1]*dto.LabelPair
}

// of makes the label of a part. The list has no room behind it, because a
// registry that adds labels appends to it.
func (s *scrape) of(name *string, value string) []*dto.LabelPair {
	if len(s.owners) == 0 {
		s.owners = make([]owner, chunk)
	}
	o := &s.owners[0]
	s.owners = s.owners[1:]
	o.value = text(value)
	o.pair.Name, o.pair.Value = name, &o.value
	o.list[0] = &o.pair
	return o.list[:]
}

// labels makes labels of names and values that alternate.
func labels(namesAndValues ...string) []*dto.LabelPair {
	var list []*dto.LabelPair
	for pair := range slices.Chunk(namesAndValues, 2) {
		list = append(list, &dto.LabelPair{Name: new(pair[0]), Value: new(text(pair[1]))})
	}
	slices.SortFunc(list, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return slices.Clip(list)
}

// text makes a string one that a label may hold: one bad byte would cost the
// whole scrape.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strconv.QuoteToASCII(s)
}
