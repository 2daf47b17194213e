package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// Bucket is what an [Inspection] finds of one bucket. It holds no value.
type Bucket struct {
	// Name is the bucket's; "" if it can't be told, because the bucket is encrypted
	// with an unknown key or what names it is damaged.
	Name string
	// File is the name of its newest document within the folder.
	File string
	// Generation counts the documents that were written, and Batches the Writes
	// that were appended since the newest.
	Generation, Batches uint64
	// Records is how many can be served.
	Records int
	// Bytes is what the documents and journals of the bucket take.
	Bytes int64
	// Saved is when it was last written to; zero if that can't be told.
	Saved time.Time
	// Sum is the checksum of what is served: of the last batch of the journal, else
	// of the document. "" if only parts of a damaged document are left.
	Sum string
	// Encrypted says that it is.
	Encrypted bool
	// Err says why the bucket can't be served whole: [core.ErrCorrupt] for damage,
	// [core.ErrDenied] for a missing or wrong key, [core.ErrUnavailable] if it can't
	// be read. Nil if all is well. It holds no value.
	Err error
}

// Inspection reads a folder that another process may be writing, or that must not
// be changed. It makes, locks and changes nothing, and remembers nothing: each
// call reads the disk. It is safe for concurrent use.
type Inspection struct {
	folder *folder
	sealer *sealer
	limit  int64
}

// Inspect opens the folder dir. opts.Logger is not used.
//
// Errors: [core.ErrNotFound] if there is no such folder; [core.ErrDenied] if it
// may not be read; [core.ErrInvalid] for options that can't work.
func Inspect(dir string, opts Options) (*Inspection, error) {
	const op = "inspect"
	s := New(dir, opts)
	if s.invalid != nil {
		return nil, failure(op, "", core.ErrInvalid, s.invalid)
	}
	root, err := os.OpenRoot(s.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, failure(op, "", core.ErrNotFound, err)
	case err != nil:
		return nil, unreadable(op, "", false, err)
	}
	return &Inspection{folder: &folder{dir: s.dir, root: root}, sealer: s.sealer, limit: s.limit}, nil
}

// documentName matches the name of a current or previous document.
var documentName = regexp.MustCompile(`^([a-z0-9-]*[a-z2-7]{20})(\.prev)?\.json$`)

// Buckets returns what is in the folder, ordered by name, then file. A bucket that
// is damaged or can't be read is no error: its Err says so. The error is
// [core.ErrUnavailable] or [core.ErrDenied] if the folder can't be listed, or
// context.Cause(ctx).
func (i *Inspection) Buckets(ctx context.Context) ([]Bucket, error) {
	d, err := i.folder.root.Open(".")
	if err != nil {
		return nil, unreadable("buckets", "", false, err)
	}
	names, err := d.Readdirnames(-1)
	if closed := d.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, unreadable("buckets", "", false, err)
	}
	var stems []string
	for _, name := range names {
		if m := documentName.FindStringSubmatch(name); m != nil {
			stems = append(stems, m[1])
		}
	}
	slices.Sort(stems)
	var all []Bucket
	for _, stem := range slices.Compact(stems) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		all = append(all, i.bucket(stem))
	}
	slices.SortStableFunc(all, func(a, b Bucket) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Aside returns the names of the files that were put aside because they were
// damaged, or written by a newer version.
func (i *Inspection) Aside() []string {
	aside := i.folder.names(func(n string) bool {
		return strings.Contains(n, asideCorrupt) || strings.Contains(n, asideNewer)
	})
	slices.Sort(aside)
	return aside
}

// All yields the records of a bucket as [Store.All] does.
func (i *Inspection) All(ctx context.Context, bucket string) iter.Seq2[core.Record, error] {
	const op = "all"
	return func(yield func(core.Record, error) bool) {
		st, err := i.load(bucket)
		if err != nil {
			yield(core.Record{}, unreadable(op, bucket, i.sealer != nil, err))
			return
		}
		yieldAll(ctx, op, bucket, st, st.sorted(), yield)
	}
}

// Close releases the folder. A second Close returns nil.
func (i *Inspection) Close() error {
	if err := i.folder.root.Close(); err != nil {
		return failure("close", "", core.ErrUnavailable, err)
	}
	return nil
}

// load reads a bucket, again if it was written meanwhile.
func (i *Inspection) load(bucket string) (*state, error) {
	return loader{i.folder, i.sealer, i.limit}.steadily(bucket)
}

// bucket reads the bucket of a stem.
func (i *Inspection) bucket(file string) Bucket {
	b := Bucket{File: file + current, Encrypted: strings.HasPrefix(file, sealedSlug+"-")}
	name, sealed, err := i.name(file)
	if err != nil {
		b.Err, b.Bytes = unreadable("inspect", b.File, i.sealer != nil, err), i.size(file)
		if errors.Is(err, errDamaged) {
			b.Err = failure("inspect", b.File, core.ErrCorrupt, errors.New("no header of it is whole"))
		}
		return b
	}
	b.Name = name
	s := i.sealer
	if !sealed {
		// Where a key is given, what is plain still is read as such.
		s = nil
	}
	st, err := loader{i.folder, s, i.limit}.steadily(name)
	if err != nil {
		b.Err, b.Bytes = unreadable("inspect", name, s != nil, err), i.size(file)
		return b
	}
	b.Generation, b.Records, b.Saved, b.Bytes, b.Sum = st.base.generation, len(st.records), st.saved(), i.size(file), st.base.sum
	if st.journal != nil && st.journal.mark.batches > 0 {
		b.Batches = st.journal.mark.batches
		b.Sum = fmt.Sprintf("%x", st.journal.chain)
	}
	if st.lost > 0 {
		b.Err = lossy("inspect", name, st)
	}
	return b
}

// name returns the name of the bucket that the documents of a stem say they are
// of, and whether they are encrypted.
func (i *Inspection) name(file string) (name string, sealed bool, err error) {
	err = errDamaged
	for _, end := range []string{current, previous} {
		first, failed := i.folder.head(file + end)
		if failed != nil {
			err = failed
			continue
		}
		h, sound := parseHeader(first, headEnd)
		switch {
		case h.Version > formatVersion:
			err = errNewer
		case !sound:
		case h.Cipher == "" && stem(h.name(), false) == file:
			return h.name(), false, nil
		case h.Cipher != "":
			key := i.sealer.named(h.KeyID)
			if key == nil {
				err = errKey
				continue
			}
			open, failed := key.box(h)
			if failed != nil {
				continue
			}
			if plain, failed := open.open(0, h.Sealed); failed == nil && stem(string(plain), true) == file {
				return string(plain), true, nil
			}
		}
	}
	return "", false, err
}

// size is what the documents and journals of a stem take.
func (i *Inspection) size(stem string) int64 {
	var sum int64
	for _, name := range append(i.folder.journals(stem), stem+current, stem+previous) {
		if info, err := i.folder.stat(name); err == nil && info != nil {
			sum += info.Size()
		}
	}
	return sum
}
