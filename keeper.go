package holdfast

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// The keeper's rhythm.
const (
	saveEvery    = time.Second            // at most one write per bucket in this time
	saveTimeout  = 10 * time.Second       // one write, one read of a bucket
	saveRetry    = time.Second            // first wait after a failed write, doubling
	storeRetry   = 30 * time.Second       // longest wait, and that of a store that can't be opened
	flushAtClose = 2 * time.Second        // what Close gives to what is still pending
	flushAtLeast = 500 * time.Millisecond // of it, once the ctx of Close has ended
)

// CacheStatus says how the cache store does.
type CacheStatus struct {
	// Err is why the last write or read failed; nil when it worked.
	Err error
	// Since is when Err was first seen, or when the store last began to work.
	Since time.Time
	// LastWrite is when a batch was last acknowledged; zero if none was yet.
	LastWrite time.Time
	// Writes and WriteErrors count batches acknowledged and failed.
	Writes, WriteErrors uint64
	// Pending is how many records wait to be written.
	Pending int
	// Store is what the store tells of itself; nil if it tells nothing
	// ([core.StatsReporter]).
	Store *core.StoreStats
}

// keeper writes behind: engines hand it what is accepted and go on, and it
// writes about once a second per bucket. What fails stays pending and is tried
// again; newer values of a record replace older ones, so that it is bounded by
// the size of the sets. A nil keeper keeps nothing.
type keeper struct {
	store core.CacheStore
	jrnl  *journal
	wake  chan struct{}
	stop  context.CancelFunc
	done  chan struct{}

	writing chan struct{} // of capacity 1: held around every Write, so that flush and loop keep order

	mu        sync.Mutex
	pending   map[string]*pendingBatch
	status    CacheStatus
	failing   bool
	unwritten bool // the newest write failed
}

// pendingBatch is what one bucket waits for.
type pendingBatch struct {
	reset  bool
	put    map[string]core.Record
	remove map[string]struct{}
	next   time.Time // not written before
	tries  int
}

// newKeeper starts a keeper, which runs until close; a nil store gives a nil one.
func newKeeper(store core.CacheStore, j *journal) *keeper {
	if missing(store) {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	k := &keeper{
		store: store, jrnl: j,
		wake: make(chan struct{}, 1), stop: cancel, done: make(chan struct{}), writing: make(chan struct{}, 1),
		pending: make(map[string]*pendingBatch),
		status:  CacheStatus{Since: time.Now()},
	}
	go k.run(ctx)
	return k
}

// save merges b into what is pending for the bucket. It never blocks.
func (k *keeper) save(bucket string, b core.Batch) {
	if k == nil || (!b.Reset && len(b.Put) == 0 && len(b.Delete) == 0) {
		return
	}
	k.mu.Lock()
	p := k.bucket(bucket)
	if b.Reset {
		p.reset = true
		clear(p.put)
		clear(p.remove)
	}
	for _, key := range b.Delete {
		delete(p.put, key)
		p.remove[key] = struct{}{}
	}
	for _, r := range b.Put {
		delete(p.remove, r.Key)
		p.put[r.Key] = r
	}
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *keeper) bucket(name string) *pendingBatch {
	p := k.pending[name]
	if p == nil {
		p = &pendingBatch{put: make(map[string]core.Record), remove: make(map[string]struct{})}
		k.pending[name] = p
	}
	return p
}

func (p *pendingBatch) empty() bool { return !p.reset && len(p.put) == 0 && len(p.remove) == 0 }

// run writes what is due until ctx ends.
func (k *keeper) run(ctx context.Context) {
	defer close(k.done)
	for {
		var due <-chan time.Time
		if wait := k.writeDue(ctx, time.Now()); wait > 0 {
			due = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-due:
		case <-k.wake:
		}
	}
}

// writeDue writes every bucket that is due, and returns how long until the next
// one is; 0 is never.
func (k *keeper) writeDue(ctx context.Context, now time.Time) time.Duration {
	var wait time.Duration
	for name, at := range k.schedule() {
		if ctx.Err() != nil {
			return 0
		}
		if d := at.Sub(now); d > 0 {
			if wait == 0 || d < wait {
				wait = d
			}
			continue
		}
		if err := k.write(ctx, name); err != nil || wait == 0 {
			wait = saveEvery
		}
	}
	return wait
}

// schedule says when each bucket with something pending may be written.
func (k *keeper) schedule() map[string]time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := make(map[string]time.Time, len(k.pending))
	for name, p := range k.pending {
		if !p.empty() {
			at[name] = p.next
		}
	}
	return at
}

// write takes what is pending for a bucket and writes it; on failure it puts it
// back below what came meanwhile.
func (k *keeper) write(ctx context.Context, name string) error {
	if err := k.take(ctx); err != nil {
		return err
	}
	defer k.release()

	k.mu.Lock()
	p := k.pending[name]
	if p == nil || p.empty() {
		k.mu.Unlock()
		return nil
	}
	b := core.Batch{Reset: p.reset}
	for _, r := range p.put {
		b.Put = append(b.Put, r)
	}
	for key := range p.remove {
		b.Delete = append(b.Delete, key)
	}
	p.reset = false
	clear(p.put)
	clear(p.remove)
	p.next = time.Now().Add(saveEvery)
	k.mu.Unlock()

	err := k.tryWrite(ctx, name, b)
	if errors.Is(err, core.ErrInvalid) {
		err = k.writeApart(ctx, name, b)
	}

	k.mu.Lock()
	if err == nil {
		p.tries = 0
		k.status.Writes++
		k.status.LastWrite = time.Now()
	} else {
		p.restore(b)
		wait := storeRetry
		if !errors.Is(err, core.ErrUnavailable) && !errors.Is(err, core.ErrDenied) {
			wait = grow(saveRetry, storeRetry, p.tries)
		}
		p.tries++
		p.next = time.Now().Add(wait)
		k.status.WriteErrors++
	}
	k.mu.Unlock()
	k.report(err, true)
	return err
}

// writeApart writes a batch that the store can't take as a whole in parts, and
// gives up the records that it can never take: one that is too large must not
// keep all others of its bucket from the disk.
func (k *keeper) writeApart(ctx context.Context, name string, b core.Batch) error {
	if err := k.tryWrite(ctx, name, core.Batch{Reset: b.Reset, Delete: b.Delete}); err != nil {
		return err
	}
	return k.writeHalves(ctx, name, b.Put)
}

// writeHalves writes records that the store can't take together. A store may
// write the whole bucket each time, so among thousands it takes a few dozen
// writes, and not thousands, to find the one that is too large.
func (k *keeper) writeHalves(ctx context.Context, name string, records []core.Record) error {
	for part := range slices.Chunk(records, max((len(records)+1)/2, 1)) {
		err := k.tryWrite(ctx, name, core.Batch{Put: part})
		switch {
		case errors.Is(err, core.ErrInvalid) && len(part) > 1:
			err = k.writeHalves(ctx, name, part)
		case errors.Is(err, core.ErrInvalid):
			k.jrnl.record(Event{Kind: EventCache, Part: "cache", Key: part[0].Key, Err: err,
				Detail: "the store can't take this record: it is not kept for the next start"})
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// take makes the caller the only one that writes, until release.
func (k *keeper) take(ctx context.Context) error {
	select {
	case k.writing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (k *keeper) release() { <-k.writing }

// restore puts a failed batch back below what was saved since.
func (p *pendingBatch) restore(b core.Batch) {
	if p.reset {
		return // what came since starts from nothing
	}
	p.reset = b.Reset
	for _, r := range b.Put {
		_, newer := p.put[r.Key]
		_, gone := p.remove[r.Key]
		if !newer && !gone {
			p.put[r.Key] = r
		}
	}
	for _, key := range b.Delete {
		if _, newer := p.put[key]; !newer {
			p.remove[key] = struct{}{}
		}
	}
}

func (k *keeper) tryWrite(ctx context.Context, name string, b core.Batch) (err error) {
	defer recoverDriver(&err)
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	return k.store.Write(ctx, name, b)
}

// report remembers how the store does, after a write or a read, and records a
// change of it, once.
func (k *keeper) report(err error, wrote bool) {
	switch {
	case errors.Is(err, context.Canceled):
		return
	case errors.Is(err, core.ErrCorrupt):
		k.jrnl.record(Event{Kind: EventCache, Part: "cache", Err: err, Detail: "damaged records were left out"})
		return
	}
	k.mu.Lock()
	if wrote {
		k.unwritten = err != nil
	} else if err == nil && k.unwritten {
		k.mu.Unlock()
		return // that it can be read makes it no store that works
	}
	changed := k.failing != (err != nil)
	k.failing = err != nil
	k.status.Err = err
	if changed {
		k.status.Since = time.Now()
	}
	k.mu.Unlock()
	switch {
	case changed && err != nil:
		k.jrnl.record(Event{Kind: EventCache, Part: "cache", Err: err,
			Detail: "the cache store fails: memory alone serves, and it is tried again every 30 s"})
	case changed:
		k.jrnl.record(Event{Kind: EventCache, Part: "cache", Detail: "the cache store works again"})
	}
}

// load reads a bucket in one bounded try. What could be read is returned even
// when err is core.ErrCorrupt.
func (k *keeper) load(ctx context.Context, bucket string) (records []core.Record, err error) {
	if k == nil {
		return nil, nil
	}
	defer func() { k.report(err, false) }()
	defer recoverDriver(&err)
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	for r, err := range k.store.All(ctx, bucket) {
		if err != nil {
			return records, err
		}
		records = append(records, r)
	}
	return records, nil
}

// Status returns how the store does; the zero value for a nil keeper.
func (k *keeper) Status() CacheStatus {
	if k == nil {
		return CacheStatus{}
	}
	told := k.askStore()
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.status
	s.Store = told
	for _, p := range k.pending {
		s.Pending += len(p.put) + len(p.remove)
	}
	return s
}

// askStore returns what the store tells of itself; nil if it tells nothing.
func (k *keeper) askStore() (told *core.StoreStats) {
	var failed error // a panic; it stays at nothing told
	defer recoverDriver(&failed)
	if r, ok := core.As[core.StatsReporter](k.store); ok {
		told = new(r.Stats())
	}
	return told
}

// flush writes everything that is pending now, due or not, and awaits what is
// being written already. The error joins what failed; it stays pending.
func (k *keeper) flush(ctx context.Context) error {
	if k == nil {
		return nil
	}
	// A batch that the loop is writing is not pending: it is when this fails.
	if err := k.take(ctx); err != nil {
		return fmt.Errorf("cache not flushed: %w", err)
	}
	pending := k.schedule() // under the same hold, or the loop might take a batch in between
	k.release()
	var errs []error
	for name := range pending {
		if ctx.Err() != nil {
			return errors.Join(append(errs, context.Cause(ctx))...)
		}
		if err := k.write(ctx, name); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cache not flushed: %w", err)
	}
	return nil
}

// close flushes, within flushAtClose and as long as ctx lives or flushAtLeast
// longer, and ends the keeper. The store is the user's and stays open.
func (k *keeper) close(ctx context.Context) error {
	if k == nil {
		return nil
	}
	k.stop()
	ended := ctx
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushAtClose)
	defer cancel()
	defer context.AfterFunc(ended, func() { time.AfterFunc(flushAtLeast, cancel) })()
	flushed := make(chan error, 1)
	go func() {
		<-k.done
		flushed <- k.flush(ctx)
	}()
	select {
	case err := <-flushed:
		return err
	case <-ctx.Done():
		// A store that ignores its ctx keeps that goroutine until it answers.
		return fmt.Errorf("cache not flushed: %w", context.Cause(ctx))
	}
}
