package system

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// BenchmarkSample shows what one sample costs: of this machine, of a container, and
// of one on a large host that is deep in the tree.
func BenchmarkSample(b *testing.B) {
	needsLinks(b)
	run := func(name string, r *reader) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.read(b.Context())
			}
		})
	}
	if runtime.GOOS == "linux" {
		opts, err := Options{}.normalize()
		if err != nil {
			b.Fatal(err)
		}
		run("this machine", newReader(opts))
	}
	run("v2", boot(b, bare, v2).reader())
	run("v1", boot(b, bare, v1).reader())

	var large strings.Builder
	large.WriteString("cpu  100 0 0 100 0 0 0 0 0 0\n")
	for i := range 256 {
		fmt.Fprintf(&large, "cpu%d 12345678 1234 1234567 123456789 1234 0 12345 0 0 0\n", i)
	}
	large.WriteString("intr 123456789" + strings.Repeat(" 0", 10000) + "\n")
	run("256 processors, five parents", boot(b, bare, nested(6), map[string]string{"proc/stat": large.String()}).reader())
}

// BenchmarkDetails shows what a health check costs, and what a push has to write.
func BenchmarkDetails(b *testing.B) {
	needsLinks(b)
	s := boot(b, bare, v2).sampler(Options{})
	s.take()
	b.Run("check", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.Check(b.Context())
		}
	})
	b.Run("document", func(b *testing.B) {
		b.ReportAllocs()
		last := s.last.Load()
		for b.Loop() {
			if _, err := last.document(nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sample", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = s.Sample()
		}
	})
}
