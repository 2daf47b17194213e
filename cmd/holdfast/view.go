package main

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// A view is a store opened for inspection: it takes no lock and changes nothing.
type view interface {
	// buckets returns what is there, in a stable order. What is damaged, or can't be
	// read, is no error: its own err says so.
	buckets(ctx context.Context) ([]bucket, error)
	// records yields the records of a bucket, as core.CacheStore.All does.
	records(ctx context.Context, bucket string) iter.Seq2[core.Record, error]
	// damage is what is wrong with the store beyond its buckets; nil if nothing is.
	// It never holds a value.
	damage() error
	// notes are remarks that are no damage.
	notes() []string
	// aside names what was put aside earlier, because it was damaged or newer.
	aside() []string
	close() error
}

// bucket is what a view tells of one.
type bucket struct {
	name      string // "" if it can't be told
	place     string // where it is within the folder
	version   string // counts its writes, in the store's own way
	records   int
	bytes     int64
	saved     time.Time // zero if unknown
	sum       string    // "" if unknown
	encrypted bool
	err       error // why it is not whole; it never holds a value
}

// label names a bucket for people.
func (b bucket) label() string {
	if b.name == "" {
		return "(" + b.place + ")"
	}
	return printable(b.name)
}

// kind is a kind of store: the seam where another one is added.
type kind struct {
	name string
	// looks reports whether a folder looks like one of this kind.
	looks func(dir string) bool
	// view opens a folder for inspection.
	view func(ctx context.Context, dir string, key []byte) (view, error)
	// store opens a folder for writing, and makes it if it is missing.
	store func(dir string, key []byte) core.CacheStore
}

// kinds are all kinds; the first is that of a folder that looks like none.
func kinds() []kind { return []kind{fileKind(), badgerKind()} }

func kindNames() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// kind returns the kind of store that was asked for, or that the folder looks like.
func (i *invocation) kind() (kind, error) {
	all := kinds()
	for _, k := range all {
		if i.store == k.name || i.store == "" && k.looks(i.dir) {
			return k, nil
		}
	}
	if i.store != "" {
		return kind{}, mistake{fmt.Sprintf("there is no kind of store %q", i.store)}
	}
	return all[0], nil
}

// view opens the folder for inspection.
func (i *invocation) view(ctx context.Context) (view, error) {
	k, err := i.kind()
	if err != nil {
		return nil, err
	}
	return k.view(ctx, i.dir, i.key)
}
