package badger

import (
	"context"
	"errors"
	"hash/maphash"
	"iter"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// DefaultMaxValueBytes is how long a value may be if Options.MaxValueBytes says
// nothing: 64 MiB.
const DefaultMaxValueBytes = 64 << 20

// Options are the settings of a [Store]. The zero value works.
type Options struct {
	// Logger is told what a person should know: what was damaged and put aside, a
	// folder that is open to other users, what Badger warns of. It never sees a
	// value. Default: nothing is logged.
	Logger *slog.Logger

	// Key encrypts the store with AES: 16, 24 or 32 random bytes. Bucket names and
	// keys are encrypted too; the number and sizes of the files are not hidden. With
	// another key than the one that a store was encrypted with each call is
	// [core.ErrDenied] and nothing is changed. A store in plain text that is there
	// already is encrypted when it is opened. The slice is copied. Default: plain
	// text.
	Key []byte

	// OldKeys are tried when Key does not fit. With the one that does, the store is
	// encrypted with Key from then on: to change a key, open the store once with
	// the new one as Key and the old one here. The slices are copied. Default:
	// none.
	OldKeys [][]byte

	// MaxValueBytes bounds the value of one record: a Write of a longer one is
	// [core.ErrInvalid]. Default: [DefaultMaxValueBytes].
	MaxValueBytes int64
}

// Store is a [core.CacheStore] on Badger. It is safe for concurrent use.
//
// What the disk does can't be interrupted: ctx is looked at before and between
// the steps of a call, and while it waits for its turn.
type Store struct {
	dir     string
	log     *slog.Logger
	keys    [][]byte // the current one first, nil for none
	limit   int64
	invalid error // what is wrong with the arguments of New
	seed    maphash.Seed
	free    func(dir string) (int64, error)
	closing chan struct{} // closed by Close

	// turn is held, as its one element, by whoever opens, writes or closes.
	turn    chan struct{}
	folder  *folder  // nil while not open; guarded by turn
	witness *witness // likewise
	garbage bool     // something may have to be removed; likewise
	tried   trial    // likewise

	// mu guards what follows. It is held for writing during a commit, so that
	// what a reader sees in Badger and here is the same.
	mu      sync.RWMutex
	closed  bool
	db      *database // nil while not open
	shelf   *snapshot // instead of db while there is no room for it
	seq     uint64
	heads   tally
	buckets map[bucketID]*bucket // all that are there
	gone    string               // why all that was there before is lost; "" if it is not

	viewing sync.Mutex
	views   map[*view]struct{} // of Alls in progress; guarded by viewing

	gaveBack atomic.Int64 // when memory was, in seconds

	record journal
}

var _ core.CacheStore = (*Store)(nil)

// New returns a store in the folder dir. It touches nothing and starts nothing:
// the first call opens the folder, and makes it with mode 0700 if it is missing.
// If that fails, the call is [core.ErrUnavailable], and a later call tries again.
// With arguments that can't work each call is [core.ErrInvalid].
func New(dir string, opts Options) *Store {
	s := &Store{
		dir:     dir,
		log:     opts.Logger,
		keys:    [][]byte{slices.Clone(opts.Key)},
		limit:   opts.MaxValueBytes,
		seed:    maphash.MakeSeed(),
		free:    freeSpace,
		closing: make(chan struct{}),
		turn:    make(chan struct{}, 1),
		buckets: make(map[bucketID]*bucket),
		views:   make(map[*view]struct{}),
	}
	s.record.space(0, -1)
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.limit == 0 {
		s.limit = DefaultMaxValueBytes
	}
	// A later change of the working directory must not move the folder.
	if abs, err := filepath.Abs(dir); err == nil {
		s.dir = abs
	}
	s.invalid = checkKey("Options.Key", opts.Key)
	for _, key := range opts.OldKeys {
		s.keys = append(s.keys, slices.Clone(key))
		s.invalid = errors.Join(s.invalid, checkKey("a key of Options.OldKeys", key))
	}
	if len(opts.Key) > 0 {
		s.keys = append(s.keys, nil) // plain text, to be encrypted
	} else {
		s.keys[0] = nil
	}
	switch {
	case dir == "":
		s.invalid = errors.New("no folder given")
	case s.limit < 0:
		s.invalid = errors.New("Options.MaxValueBytes is negative; give a positive one, or 0 for the default")
	}
	return s
}

// Get implements [core.CacheStore].
func (s *Store) Get(ctx context.Context, bucket, key string) (core.Record, error) {
	const op = "get"
	if err := s.check(ctx, op, bucket); err != nil {
		return core.Record{}, err
	}
	if err := checkName("key", key); err != nil {
		return core.Record{}, failure(op, bucket, core.ErrInvalid, err)
	}
	b, err := s.lockRead(ctx, op, bucket)
	if err != nil {
		return core.Record{}, err
	}
	defer s.mu.RUnlock()
	name := bucket + "/" + key
	if b == nil {
		if s.gone != "" {
			return core.Record{}, lossy(op, name, 1, s.gone)
		}
		return core.Record{}, failure(op, name, core.ErrNotFound, nil)
	}
	want, ok := b.expected(maphash.String(s.seed, key))
	switch {
	case !ok && b.lost() > 0:
		return core.Record{}, lossy(op, name, b.lost(), b.why())
	case !ok:
		return core.Record{}, failure(op, name, core.ErrNotFound, nil)
	}
	r, err := s.fetch(b, key, want)
	if errors.Is(err, errEnvelope) || errors.Is(err, errPanicked) {
		s.record.damaged(s.log, bucket, err)
		return core.Record{}, lossy(op, name, 1, "it was whole when it was read first; a Write of it replaces it")
	}
	if err != nil {
		return core.Record{}, classify(op, name, err)
	}
	return r, nil
}

// fetch reads one record. The caller holds mu.
func (s *Store) fetch(b *bucket, key string, want uint64) (core.Record, error) {
	v, used, err := s.reader()
	if err != nil {
		return core.Record{}, err
	}
	if used != nil {
		defer used.discard()
	}
	envelope, err := v.get(recordKey(b.id, b.head.generation, key))
	if err != nil {
		return core.Record{}, err
	}
	e, err := newSealer(b.id, b.head.generation).open(key, envelope)
	if err != nil || e.sum != want {
		return core.Record{}, errEnvelope
	}
	return recordOf(v, b.id, b.head.generation, key, e)
}

// recordOf completes a record whose value may stand elsewhere.
func recordOf(v reader, id bucketID, generation uint64, key string, e entry) (core.Record, error) {
	r := core.Record{Key: key, Value: e.value, Revision: e.revision, SavedAt: e.savedAt}
	if e.blob == nil {
		return r, nil
	}
	value, err := e.blob.read(v, id, generation)
	r.Value = value
	return r, err
}

// All implements [core.CacheStore]. It yields the records in the order of their
// keys, as they were when the range began; calls within the range are allowed.
func (s *Store) All(ctx context.Context, bucket string) iter.Seq2[core.Record, error] {
	return func(yield func(core.Record, error) bool) { s.all(ctx, bucket, yield) }
}

// Close implements [core.CacheStore]. It waits for the call that is at the disk, and
// for Badger to end, and not longer than 10 seconds for either: then it is
// [core.ErrUnavailable], the folder stays locked, and what was acknowledged is
// there at the next start.
func (s *Store) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if !first {
		return nil
	}
	close(s.closing)
	timer := time.NewTimer(closePatience)
	defer timer.Stop()
	select {
	case s.turn <- struct{}{}:
	case <-timer.C:
		return failure("close", "", core.ErrUnavailable, errStuck)
	}
	defer s.give()
	if err := s.shut(); err != nil {
		return failure("close", "", core.ErrUnavailable, err)
	}
	return nil
}

// check is the part of each call that needs no disk.
func (s *Store) check(ctx context.Context, op, bucket string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case <-s.closing:
		return failure(op, bucket, core.ErrClosed, nil)
	default:
	}
	if s.invalid != nil {
		return failure(op, "", core.ErrInvalid, s.invalid)
	}
	if err := checkName("bucket", bucket); err != nil {
		return failure(op, "", core.ErrInvalid, err)
	}
	return nil
}

// take waits for the turn.
func (s *Store) take(ctx context.Context, op, bucket string) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.closing:
		return failure(op, bucket, core.ErrClosed, nil)
	}
	if err := s.check(ctx, op, bucket); err != nil {
		s.give()
		return err
	}
	return nil
}

func (s *Store) give() { <-s.turn }

// lockRead returns a bucket that was loaded, nil if there is none, with mu held
// for reading unless there is an error.
func (s *Store) lockRead(ctx context.Context, op, name string) (*bucket, error) {
	id := idOf(name)
	for {
		s.mu.RLock()
		b := s.buckets[id]
		switch {
		case s.closed:
			s.mu.RUnlock()
			return nil, failure(op, name, core.ErrClosed, nil)
		case s.db != nil && s.db.busy():
			s.mu.RUnlock()
			return nil, failure(op, name, core.ErrUnavailable, errStuck)
		case s.shelf != nil, s.db != nil && s.db.stuck.Load() == nil && (b == nil || b.loaded):
			return b, nil
		}
		s.mu.RUnlock()
		if err := s.take(ctx, op, name); err != nil {
			return nil, err
		}
		err := s.prepare(ctx, op, name, toRead)
		s.give()
		if err != nil {
			return nil, err
		}
	}
}

// purpose is what a bucket is needed for.
type purpose int

const (
	toRead    purpose = iota
	toChange          // there must be room
	toReplace         // likewise, and what is there need not be read
)

// prepare opens the store unless it is open, and loads a bucket if that is needed
// and was not done. The caller has the turn.
func (s *Store) prepare(ctx context.Context, op, name string, what purpose) error {
	err := s.open(ctx)
	if err == nil && what != toRead {
		err = s.unshelve(ctx)
	}
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.record.failed(err)
		return classify(op, name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[idOf(name)]
	if b == nil || b.loaded || what == toReplace || s.shelf != nil {
		return nil
	}
	v, err := s.db.view()
	if err != nil {
		return classify(op, name, err)
	}
	defer v.discard()
	switch err := b.load(v, s.seed); {
	case errors.Is(err, errPanicked):
		b.loaded = true
		b.judge(tally{mix: ^b.head.mix}, tally{})
	case err != nil:
		return classify(op, name, err)
	}
	if b.lost() > 0 {
		s.record.damaged(s.log, name, lossy("load", name, b.lost(), b.why()))
	}
	return nil
}
