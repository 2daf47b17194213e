package badger

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	engine "github.com/dgraph-io/badger/v4"
)

const (
	commitPatience = 5 * time.Second
	closePatience  = 10 * time.Second
)

var errPanicked = errors.New("reading the store failed in an unexpected way")

// guarded runs what calls Badger. A panic or a fault within is an error: damage
// must not end the process. What a panic says is not repeated, because it may
// hold bytes of the store.
func guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w (%T)", errPanicked, p)
		}
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return do()
}

// database is an open Badger folder.
type database struct {
	db *engine.DB
	// stuck is what a commit closes when it has ended that nobody waited for any
	// longer; nil if there is none.
	stuck atomic.Pointer[chan struct{}]
}

func openDatabase(dir string, key []byte, log *slog.Logger) (*database, error) {
	d := &database{}
	err := guarded(func() (err error) {
		d.db, err = engine.Open(tuned(dir, key, log))
		return err
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// change is what one transaction does. It shares nothing with the caller's
// records.
type change struct {
	sets    []pair
	deletes [][]byte
	size    int64
}

type pair struct{ key, value []byte }

// weight is what Badger counts for an entry, and a little more.
const weight = 16

func (c *change) set(key, value []byte) {
	c.sets = append(c.sets, pair{key, value})
	c.size += int64(len(key)+len(value)) + weight
}

func (c *change) delete(key []byte) {
	c.deletes = append(c.deletes, key)
	c.size += int64(len(key)) + weight
}

func (c *change) count() int64 { return int64(len(c.sets) + len(c.deletes)) }

func (c *change) reset() { *c = change{sets: c.sets[:0], deletes: c.deletes[:0]} }

// room is kept for the heads and the marks of each transaction.
const (
	roomSize  = 4 << 10
	roomCount = 32
)

// fits reports whether c and more bytes in one entry stay below the limit of a
// transaction.
func (d *database) fits(c *change, more int) bool {
	return c.size+int64(more)+weight+roomSize < d.db.MaxBatchSize() && c.count()+1+roomCount < d.db.MaxBatchCount()
}

// commit applies c durably. It can't be interrupted; if the disk does not answer
// in time the outcome is unknown, and busy until it is decided.
func (d *database) commit(c *change) error {
	if c.count() == 0 {
		return nil
	}
	done := make(chan error, 1)
	err := guarded(func() error {
		txn := d.db.NewTransaction(true)
		defer txn.Discard()
		for _, p := range c.sets {
			if err := txn.Set(p.key, p.value); err != nil {
				return wrapped("set", err)
			}
		}
		for _, k := range c.deletes {
			if err := txn.Delete(k); err != nil {
				return wrapped("delete", err)
			}
		}
		txn.CommitWith(func(err error) { done <- err })
		return nil
	})
	if err != nil {
		return err
	}
	timer := time.NewTimer(commitPatience)
	defer timer.Stop()
	select {
	case err := <-done:
		return wrapped("commit", err)
	case <-timer.C:
	}
	stuck := make(chan struct{})
	d.stuck.Store(&stuck)
	go func() { // it ends when Badger's own commit does
		defer close(stuck)
		if err := <-done; err != nil {
			return // nobody is left to be told
		}
	}()
	return fmt.Errorf("the disk did not answer for %v, and whether the write will be there is unknown", commitPatience)
}

// busy reports whether a commit has not ended. Until it has, whatever reads
// would wait for it.
func (d *database) busy() bool {
	stuck := d.stuck.Load()
	if stuck == nil {
		return false
	}
	select {
	case <-*stuck:
		return false
	default:
		return true
	}
}

// decided reports, once, that a commit that nobody waited for has ended.
func (d *database) decided() bool { return !d.busy() && d.stuck.Swap(nil) != nil }

// wrapped keeps the first line of what Badger says: an error about a size goes on
// with the bytes.
func wrapped(what string, err error) error {
	if err == nil {
		return nil
	}
	return &libraryError{what, err}
}

type libraryError struct {
	what string
	err  error
}

func (e *libraryError) Error() string {
	return "badger: " + e.what + ": " + firstLine("%s", []any{e.err.Error()})
}

func (e *libraryError) Unwrap() error { return e.err }

// view is a state of the whole store at one moment. It holds no memory map, only
// what a reader within guarded asks of it does.
type view struct{ txn *engine.Txn }

func (d *database) view() (v *view, err error) {
	err = guarded(func() error {
		v = &view{d.db.NewTransaction(false)}
		return nil
	})
	return v, err
}

func (v *view) discard() { v.txn.Discard() }

// get implements reader.
func (v *view) get(key []byte) (value []byte, err error) {
	err = guarded(func() error {
		item, err := v.txn.Get(key)
		if errors.Is(err, engine.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return wrapped("get", err)
		}
		value, err = item.ValueCopy([]byte{})
		return wrapped("get", err)
	})
	return value, err
}

// scan implements reader.
func (v *view) scan(prefix, from []byte, do func(key, value []byte) bool) error {
	return v.walk(prefix, from, func(item *engine.Item) (more bool, err error) {
		err = item.Value(func(value []byte) error {
			more = do(item.Key(), value)
			return nil
		})
		return more, err
	})
}

// keys is scan without the values.
func (v *view) keys(prefix []byte, do func(key []byte) bool) error {
	return v.walk(prefix, nil, func(item *engine.Item) (bool, error) { return do(item.Key()), nil })
}

func (v *view) walk(prefix, from []byte, do func(*engine.Item) (bool, error)) error {
	return guarded(func() error {
		it := v.txn.NewIterator(engine.IteratorOptions{Prefix: prefix})
		defer it.Close()
		start := prefix
		if from != nil {
			start = append(append(make([]byte, 0, len(from)+1), from...), 0)
		}
		for it.Seek(start); it.ValidForPrefix(prefix); it.Next() {
			more, err := do(it.Item())
			if err != nil {
				return wrapped("scan", err)
			}
			if !more {
				return nil
			}
		}
		return nil
	})
}

// close ends Badger. It does not wait for ever: Badger tries again without end
// to write what the disk does not take.
func (d *database) close() error {
	done := make(chan error, 1)
	go func() { // it ends with Badger
		done <- guarded(func() error { return wrapped("close", d.db.Close()) })
	}()
	timer := time.NewTimer(closePatience)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("badger has not ended within %v; what was acknowledged stays in its log", closePatience)
	}
}
