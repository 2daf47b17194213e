package system

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/prometheus/procfs"
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

	run("256 processors, five parents", boot(b, bare, nested(6), large()).reader())
}

// large is /proc/stat of a machine with 256 processors and 10,000 interrupts.
func large() map[string]string {
	var text strings.Builder
	text.WriteString("cpu  100 0 0 100 0 0 0 0 0 0\n")
	for i := range 256 {
		fmt.Fprintf(&text, "cpu%d 12345678 1234 1234567 123456789 1234 0 12345 0 0 0\n", i)
	}
	text.WriteString("intr 123456789" + strings.Repeat(" 0", 10000) + "\n")
	return map[string]string{"proc/stat": text.String()}
}

// BenchmarkStat compares with the parser of procfs on a large machine.
func BenchmarkStat(b *testing.B) {
	needsLinks(b)
	h := boot(b, bare, large()).reader().host
	b.Run("own", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.cpu(); err != nil && !passing(err) {
				b.Fatal(err)
			}
		}
	})
	b.Run("procfs", func(b *testing.B) {
		fs, err := procfs.NewFS(h.proc)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := fs.Stat(); err != nil {
				b.Fatal(err)
			}
		}
	})
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
