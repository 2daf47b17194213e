package main

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"

	"github.com/holdfast-go/holdfast/cachestore/file"
	"github.com/holdfast-go/holdfast/core"
)

// fileKind is cachestore/file.
func fileKind() kind {
	return kind{
		name: "file",
		looks: func(dir string) bool {
			found, err := filepath.Glob(filepath.Join(dir, "*.json"))
			return err == nil && len(found) > 0
		},
		view: func(_ context.Context, dir string, key []byte) (view, error) {
			i, err := file.Inspect(dir, file.Options{Key: key})
			if err != nil {
				return nil, err
			}
			return fileView{i}, nil
		},
		store: func(dir string, key []byte) core.CacheStore { return file.New(dir, file.Options{Key: key}) },
	}
}

type fileView struct{ folder *file.Inspection }

func (v fileView) buckets(ctx context.Context) ([]bucket, error) {
	found, err := v.folder.Buckets(ctx)
	all := make([]bucket, len(found))
	for i, b := range found {
		version := fmt.Sprint(b.Generation)
		if b.Batches > 0 {
			version = fmt.Sprintf("%d+%d", b.Generation, b.Batches)
		}
		all[i] = bucket{
			name: b.Name, place: b.File, version: version, records: b.Records, bytes: b.Bytes,
			saved: b.Saved, sum: b.Sum, encrypted: b.Encrypted, err: b.Err,
		}
	}
	return all, err
}

func (v fileView) records(ctx context.Context, bucket string) iter.Seq2[core.Record, error] {
	return v.folder.All(ctx, bucket)
}

func (v fileView) damage() error   { return nil }
func (v fileView) notes() []string { return nil }
func (v fileView) aside() []string { return v.folder.Aside() }
func (v fileView) close() error    { return v.folder.Close() }
