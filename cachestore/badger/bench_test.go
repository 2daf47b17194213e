package badger

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	engine "github.com/dgraph-io/badger/v4"
	"github.com/holdfast-go/holdfast/core"
	"go.etcd.io/bbolt"
)

// writers are this store and, side by side, what else could hold the same
// records as durably.
func writers(b *testing.B) map[string]func(context.Context, core.Batch) error {
	b.Helper()
	dir := b.TempDir()
	bolt, err := bbolt.Open(filepath.Join(dir, "bbolt"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = bolt.Close() })
	plain, err := engine.Open(engine.DefaultOptions(filepath.Join(dir, "plain")).WithSyncWrites(true).WithLogger(nil))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = plain.Close() })
	store := open(b, filepath.Join(dir, "store"), Options{})
	sealed := open(b, filepath.Join(dir, "sealed"), Options{Key: testKey})
	return map[string]func(context.Context, core.Batch) error{
		"holdfast":           func(ctx context.Context, batch core.Batch) error { return store.Write(ctx, "b", batch) },
		"holdfast-encrypted": func(ctx context.Context, batch core.Batch) error { return sealed.Write(ctx, "b", batch) },
		"badger-defaults": func(_ context.Context, batch core.Batch) error {
			return plain.Update(func(txn *engine.Txn) error {
				for _, r := range batch.Put {
					if err := txn.Set([]byte(r.Key), r.Value); err != nil {
						return err
					}
				}
				return nil
			})
		},
		"bbolt": func(_ context.Context, batch core.Batch) error {
			return bolt.Update(func(tx *bbolt.Tx) error {
				bucket, err := tx.CreateBucketIfNotExists([]byte("b"))
				if err != nil {
					return err
				}
				for _, r := range batch.Put {
					if err := bucket.Put([]byte(r.Key), r.Value); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

// BenchmarkWrite writes durable batches of records of 200 bytes over and over
// 100,000 keys, in each store in turn.
func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{1, 1000} {
		all := writers(b)
		for _, name := range []string{"holdfast", "holdfast-encrypted", "badger-defaults", "bbolt"} {
			b.Run(fmt.Sprint(name, "/", size), func(b *testing.B) {
				n := 0
				for b.Loop() {
					b.StopTimer()
					var batch core.Batch
					for range size {
						batch.Put = append(batch.Put, numbered(n*7919%many, n/many))
						n++
					}
					b.StartTimer()
					if err := all[name](b.Context(), batch); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
			})
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s := open(b, b.TempDir(), Options{Logger: slog.New(slog.DiscardHandler)})
	var batch core.Batch
	for i := range 1000 {
		batch.Put = append(batch.Put, numbered(i, 0))
	}
	write(b, s, "b", batch)
	b.ReportAllocs()
	for b.Loop() {
		r, err := s.Get(b.Context(), "b", batch.Put[500].Key)
		if err != nil || !bytes.Equal(r.Value, batch.Put[500].Value) {
			b.Fatal(err)
		}
	}
}
