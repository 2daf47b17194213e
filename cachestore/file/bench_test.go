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
