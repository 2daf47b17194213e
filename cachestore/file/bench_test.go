package file

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

// thousand is 1,000 records with values of 200 bytes.
func thousand() []core.Record {
	records := make([]core.Record, 1000)
	for i := range records {
		records[i] = record(fmt.Sprintf("limits/key-%04d", i), strings.Repeat("v", 200))
	}
	return records
}

// BenchmarkWrite saves a bucket of 1,000 records durably. BenchmarkPlainWrite is
// the floor.
func BenchmarkWrite(b *testing.B) {
	for name, key := range map[string][]byte{"plain": nil, "encrypted": testKey} {
		b.Run(name, func(b *testing.B) {
			s := open(b, b.TempDir(), Options{Key: key})
			batch := core.Batch{Reset: true, Put: thousand()}
			b.ReportAllocs()
			for b.Loop() {
				write(b, s, "b", batch)
			}
		})
	}
}

// BenchmarkWriteOne changes one of 1,000 records.
func BenchmarkWriteOne(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	records := thousand()
	write(b, s, "b", put(records...))
	b.ReportAllocs()
	for b.Loop() {
		write(b, s, "b", put(records[500]))
	}
}

// BenchmarkPlainWrite writes and syncs the bytes of the same document.
func BenchmarkPlainWrite(b *testing.B) {
	dir := b.TempDir()
	write(b, open(b, dir, Options{}), "b", put(thousand()...))
	doc, err := os.ReadFile(filepath.Join(dir, stem("b", false)+current))
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "plain")
	for b.Loop() {
		file, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		if _, err = file.Write(doc); err == nil {
			err = file.Sync()
		}
		if closed := file.Close(); err != nil || closed != nil {
			b.Fatal(err, closed)
		}
	}
}

// BenchmarkLoad opens a folder and reads a bucket of 1,000 records, as a start
// does.
func BenchmarkLoad(b *testing.B) {
	for name, key := range map[string][]byte{"plain": nil, "encrypted": testKey} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			s := open(b, dir, Options{Key: key})
			write(b, s, "b", put(thousand()...))
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				s := New(dir, Options{Key: key})
				got, err := contents(b.Context(), s, "b")
				if err != nil || len(got) != 1000 {
					b.Fatal(len(got), err)
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	write(b, s, "b", put(thousand()...))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Get(b.Context(), "b", "limits/key-0500"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLarge is a bucket of 100,000 records of 200 bytes: filled in batches of
// 100, one record changed, and loaded as a start does.
func BenchmarkLarge(b *testing.B) {
	const all, each = 100_000, 100
	value := strings.Repeat("v", 200)
	key := func(n int) string { return fmt.Sprintf("limits/key-%06d", n) }
	fill := func(b *testing.B, s *Store) {
		b.Helper()
		for n := 0; n < all; n += each {
			records := make([]core.Record, each)
			for i := range records {
				records[i] = record(key(n+i), value)
			}
			write(b, s, "b", put(records...))
		}
	}
	b.Run("fill", func(b *testing.B) {
		for b.Loop() {
			s := New(b.TempDir(), Options{})
			fill(b, s)
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("change one", func(b *testing.B) {
		s := open(b, b.TempDir(), Options{})
		fill(b, s)
		n := 0
		b.ReportAllocs()
		for b.Loop() {
			n++
			write(b, s, "b", put(record(key(n*7919%all), value)))
		}
	})
	b.Run("load", func(b *testing.B) {
		dir := b.TempDir()
		s := New(dir, Options{})
		fill(b, s)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			s := New(dir, Options{})
			if got, err := contents(b.Context(), s, "b"); err != nil || len(got) != all {
				b.Fatal(len(got), err)
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
