package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/holdfast-go/holdfast/core"
)

// DefaultMaxBucketBytes is how large the document of a bucket may become if
// Options.MaxBucketBytes says nothing: 64 MiB.
const DefaultMaxBucketBytes = 64 << 20

// Options are the settings of a [Store]. The zero value works.
type Options struct {
	// Logger is told what a person should know: a folder that is open to other
	// users, a damaged document, who writes the folder. It never sees a value.
	// Default: nothing is logged.
	Logger *slog.Logger

	// Key encrypts the documents with AES-GCM: 16, 24 or 32 random bytes. What is
	// readable then is the format version, the generation, the time and the
	// number of records; bucket names, keys and values are not. Documents in plain
	// text that are there already are read, and replaced by the next Write to their
	// bucket. With another key than the one that a document was encrypted with, or
	// none, each call on that bucket is [core.ErrDenied] and nothing is changed. The
	// slice is copied. Default: documents in plain text.
	Key []byte

	// OldKeys are keys that documents may be encrypted with still. They are read
	// with the one that fits, and encrypted with Key by the next Write to their
	// bucket (its previous generation by the one after that). So a key is rotated:
	// start with the new one as Key and the one before it here, and drop that when
	// all buckets were written twice. The slices are copied. Default: none.
	OldKeys [][]byte

	// MaxBucketBytes bounds the document of one bucket: a Write that would make it
	// larger is [core.ErrInvalid]. A document that is larger already is treated as
	// damaged. All buckets that are used are held in memory. Default:
	// [DefaultMaxBucketBytes].
	MaxBucketBytes int64
}

// Store is a [core.CacheStore] in a folder. It is safe for concurrent use.
//
// An operation of a file system can't be interrupted: ctx is looked at before
// and between them, and while a call waits for its turn.
type Store struct {
	dir     string
	log     *slog.Logger
	sealer  *sealer
	limit   int64
	invalid error // what is wrong with the arguments of New

	journalFrom, journalRoom int64 // the constants, unless a test changed them

	tally tally

	// turn is held, as its one element, by whoever touches the disk.
	turn   chan struct{}
	folder *folder // nil while not open; guarded by turn

	mu     sync.RWMutex
	closed bool
	// states holds the buckets that are there and were used. It is changed by who
	// has the turn only.
	states map[string]*state // its maps of records are changed under mu too
	// writer says that nobody else writes the folder, so that states need no
	// comparing with the disk.
	writer bool
}

var _ core.CacheStore = (*Store)(nil)

// New returns a store in the folder dir. It touches nothing: the first call
// opens the folder, and makes it with mode 0700 if it is missing. If that fails,
// the call is [core.ErrUnavailable], and the next call tries again. With
// arguments that can't work each call is [core.ErrInvalid].
func New(dir string, opts Options) *Store {
	s := &Store{
		dir:   dir,
		log:   opts.Logger,
		limit: opts.MaxBucketBytes,

		journalFrom: journalFrom,
		journalRoom: journalRoom,

		turn:   make(chan struct{}, 1),
		states: make(map[string]*state),
	}
	s.tally.free(-1)
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.limit == 0 {
		s.limit = DefaultMaxBucketBytes
	}
	// A later change of the working directory must not move the folder.
	if abs, err := filepath.Abs(dir); err == nil {
		s.dir = abs
	}
	s.sealer, s.invalid = newSealer(opts.Key, opts.OldKeys...)
	switch {
	case dir == "":
		s.invalid = errors.New("no folder given")
	case s.limit < 0:
		s.invalid = fmt.Errorf("Options.MaxBucketBytes is %d; give a positive one, or 0 for the default", s.limit)
	}
	return s
}

// Get implements [core.CacheStore]. A bucket that was used before is answered
// from memory, without touching the disk if this store is the folder's writer.
func (s *Store) Get(ctx context.Context, bucket, key string) (core.Record, error) {
	const op = "get"
	name := bucket + "/" + key
	if err := s.check(ctx, op, bucket); err != nil {
		return core.Record{}, err
	}
	if err := checkName("key", key); err != nil {
		return core.Record{}, failure(op, bucket, core.ErrInvalid, err)
	}
	st, err := s.read(ctx, op, bucket)
	if err != nil {
		return core.Record{}, err
	}
	s.mu.RLock()
	r, ok := st.records[key]
	s.mu.RUnlock()
	switch {
	case ok:
		r.Value = bytes.Clone(r.Value)
		return r, nil
	case st.lost > 0:
		return core.Record{}, lossy(op, name, st)
	}
	return core.Record{}, failure(op, name, core.ErrNotFound, nil)
}

// All implements [core.CacheStore]. It yields the records in the order of their
// keys, as they were when the range began; calls within the range are allowed.
func (s *Store) All(ctx context.Context, bucket string) iter.Seq2[core.Record, error] {
	const op = "all"
	return func(yield func(core.Record, error) bool) {
		if err := s.check(ctx, op, bucket); err != nil {
			yield(core.Record{}, err)
			return
		}
		st, err := s.read(ctx, op, bucket)
		if err != nil {
			yield(core.Record{}, err)
			return
		}
		s.mu.RLock()
		records := st.sorted()
		s.mu.RUnlock()
		yieldAll(ctx, op, bucket, st, records, yield)
	}
}

// yieldAll yields records of a bucket, and in the end what is lost of it.
func yieldAll(ctx context.Context, op, bucket string, st *state, records []core.Record, yield func(core.Record, error) bool) {
	for _, r := range records {
		if ctx.Err() != nil {
			yield(core.Record{}, context.Cause(ctx))
			return
		}
		r.Value = bytes.Clone(r.Value)
		if !yield(r, nil) {
			return
		}
	}
	if st.lost > 0 {
		yield(core.Record{}, lossy(op, bucket, st))
	}
}

// Close implements [core.CacheStore]. It waits for the call that is at the disk
// and lets another process become the writer.
func (s *Store) Close() error {
	s.turn <- struct{}{}
	defer s.give()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
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
	s.mu.RLock()
	closed := s.closed
	s.mu.RUnlock()
	if closed {
		return failure(op, bucket, core.ErrClosed, nil)
	}
	if s.invalid != nil {
		return failure(op, "", core.ErrInvalid, s.invalid)
	}
	if err := checkName("bucket", bucket); err != nil {
		return failure(op, "", core.ErrInvalid, err)
	}
	return nil
}

// take waits for the turn to touch the disk.
func (s *Store) take(ctx context.Context, op, bucket string) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := s.check(ctx, op, bucket); err != nil {
		s.give()
		return err
	}
	return nil
}

func (s *Store) give() { <-s.turn }

// read returns the state of a bucket.
func (s *Store) read(ctx context.Context, op, bucket string) (*state, error) {
	s.mu.RLock()
	st, known := s.states[bucket]
	known = known && s.writer
	s.mu.RUnlock()
	if known {
		return st, nil
	}
	if err := s.take(ctx, op, bucket); err != nil {
		return nil, err
	}
	defer s.give()
	if s.folder != nil && moved(s.dir, s.folder.opened) {
		_ = s.shut() // it reads another folder than the one that is there now
	}
	if err := s.open(); err != nil {
		return nil, s.tally.failed(failure(op, bucket, core.ErrUnavailable, err))
	}
	st, err := s.state(op, bucket)
	if err != nil {
		return nil, s.tally.failed(err)
	}
	return st, nil
}

// state returns what is known of a bucket, read anew if that may be outdated.
// The caller has the turn, and the folder is open.
func (s *Store) state(op, bucket string) (*state, error) {
	st, known := s.states[bucket]
	if known && (s.writer || st.fresh(s.folder, stem(bucket, s.sealer != nil))) {
		return st, nil
	}
	l := loader{s.folder, s.sealer, s.limit}
	read := l.steadily
	if s.writer {
		read = l.load // nobody else writes
	}
	st, err := read(bucket)
	if err != nil {
		return nil, unreadable(op, bucket, s.sealer != nil, err)
	}
	if st.lost > 0 {
		_ = s.tally.failed(lossy(op, bucket, st)) // once, however often it is asked for
		s.log.Warn("cache document is damaged", "bucket", bucket, "lost", st.lost, "why", st.why)
	}
	s.remember(bucket, st)
	return st, nil
}

// remember keeps the state of a bucket, or forgets it if that is nil. Buckets that
// don't exist are not kept, so that asking for many of them costs no memory.
func (s *Store) remember(bucket string, st *state) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st == nil || !st.exists {
		delete(s.states, bucket)
		return
	}
	s.states[bucket] = st
}
