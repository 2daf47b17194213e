package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"

	"github.com/holdfast-go/holdfast/cachestore/badger"
	"github.com/holdfast-go/holdfast/core"
)

// badgerKind is cachestore/badger.
func badgerKind() kind {
	return kind{
		name: "badger",
		looks: func(dir string) bool {
			// The last one is Badger's own folder, and the view says so.
			for _, name := range []string{"witness", "db", "db.new", "MANIFEST"} {
				if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
					return true
				}
			}
			return false
		},
		view: func(ctx context.Context, dir string, key []byte) (view, error) {
			i, err := badger.Inspect(ctx, dir, badger.Options{Key: key})
			if err != nil {
				return nil, err
			}
			return badgerView{i}, nil
		},
		store: func(dir string, key []byte) core.CacheStore { return badger.New(dir, badger.Options{Key: key}) },
	}
}

type badgerView struct{ store *badger.Inspection }

func (v badgerView) buckets(context.Context) ([]bucket, error) {
	found := v.store.Buckets()
	all := make([]bucket, len(found))
	for i, b := range found {
		all[i] = bucket{
			name: b.Name, place: b.Place, version: fmt.Sprint(b.Seq), records: b.Records, bytes: b.Bytes,
			saved: b.Saved, sum: b.Sum, encrypted: b.Encrypted, err: b.Err,
		}
	}
	return all, nil
}

func (v badgerView) records(ctx context.Context, bucket string) iter.Seq2[core.Record, error] {
	return v.store.All(ctx, bucket)
}

func (v badgerView) damage() error   { return v.store.Damage() }
func (v badgerView) notes() []string { return v.store.Notes() }
func (v badgerView) aside() []string { return v.store.Aside() }
func (v badgerView) close() error    { return nil }
