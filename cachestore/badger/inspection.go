package badger

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"slices"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// Bucket is what an [Inspection] finds of one bucket. It holds no value.
type Bucket struct {
	// Name is the bucket's; "" if it can't be told, because the store is encrypted
	// with an unknown key or nothing of the bucket is left.
	Name string
	// Place stands for the name of a bucket that has none.
	Place string
	// Seq is the number of the Write that changed it last, counted over the whole
	// store.
	Seq uint64
	// Records is how many can be served.
	Records int
	// Bytes is what its keys and records take, as they are stored.
	Bytes int64
	// Saved is when it was last written to; zero if that can't be told.
	Saved time.Time
	// Sum is a mix of the checksums of its records; "" if they are not whole.
	Sum string
	// Encrypted says that it is.
	Encrypted bool
	// Err says why the bucket can't be served whole: [core.ErrCorrupt] for damage,
	// [core.ErrDenied] for a missing or wrong key, [core.ErrUnavailable] for a store
	// of a newer version. Nil if all is well. It holds no value.
	Err error
}

// Inspection is a store as it was at one moment, read for a person. All of it was
// read into memory: it needs about as much as the store takes on the disk. It is
// safe for concurrent use.
type Inspection struct {
	found   []Bucket
	all     map[bucketID]*bucket
	buckets map[string]*bucket // those of all whose name is known
	content *snapshot
	damage  error
	gone    string // why all that was there is lost
	refused error  // why nothing can be read: errKey
	notes   []string
	aside   []string

	encrypted bool
}

// Inspect reads the store in the folder dir, which another process may be using,
// or which must not be changed. It reads the files itself, without Badger, which
// can end the process over a damaged one; and it makes, locks, repairs and changes
// nothing. What a start would lose or repair is reported instead. Of opts only the
// keys are used.
//
// Errors: [core.ErrNotFound] if there is no such folder; [core.ErrDenied] if it may
// not be read; [core.ErrInvalid] for options that can't work, and for a folder that
// is Badger's own and not a store's; [core.ErrUnavailable] if the disk fails, or if
// another process writes so much that no moment of it can be read; and
// context.Cause(ctx). Damage is no error.
func Inspect(ctx context.Context, dir string, opts Options) (*Inspection, error) {
	const op = "inspect"
	s := New(dir, opts)
	if s.invalid != nil {
		return nil, failure(op, "", core.ErrInvalid, s.invalid)
	}
	root, err := os.OpenRoot(s.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, failure(op, "", core.ErrNotFound, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, failure(op, "", core.ErrDenied, err)
	case err != nil:
		return nil, failure(op, "", core.ErrUnavailable, err)
	}
	defer root.Close() //nolint:errcheck // nothing was written
	i, err := steadily(ctx, &folder{dir: s.dir, root: root}, s.keys)
	switch {
	case err == nil:
		return i, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, fs.ErrPermission):
		return nil, failure(op, "", core.ErrDenied, err)
	case errors.Is(err, errForeign):
		return nil, failure(op, "", core.ErrInvalid, err)
	}
	return nil, failure(op, "", core.ErrUnavailable, err)
}

// Buckets returns what is in the store, ordered by name. A bucket that is damaged
// or can't be read is no error: its Err says so.
func (i *Inspection) Buckets() []Bucket { return slices.Clone(i.found) }

// All yields the records of a bucket as [Store.All] does, in the order of their
// keys.
func (i *Inspection) All(ctx context.Context, bucket string) iter.Seq2[core.Record, error] {
	const op = "all"
	return func(yield func(core.Record, error) bool) {
		b := i.buckets[bucket]
		if b == nil {
			if i.gone != "" {
				yield(core.Record{}, lossy(op, bucket, 1, i.gone))
			}
			return
		}
		ended := false
		lost := i.content.records(b, func(r core.Record) bool {
			if ctx.Err() != nil {
				yield(core.Record{}, context.Cause(ctx))
				ended = true
			} else {
				ended = !yield(r, nil)
			}
			return !ended
		})
		if !ended && lost > 0 {
			yield(core.Record{}, lossy(op, bucket, lost, b.why()))
		}
	}
}

// Damage says what of the files is damaged or missing, whether or not a bucket
// lost anything by it; nil if nothing is.
func (i *Inspection) Damage() error { return i.damage }

// Notes are remarks for a person: what the next start will do that is no loss.
func (i *Inspection) Notes() []string { return slices.Clone(i.notes) }

// Aside returns the names of the folders that were put aside because they were
// damaged, or written by a newer version.
func (i *Inspection) Aside() []string { return slices.Clone(i.aside) }
