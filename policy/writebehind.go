package policy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// writing is how writing behind goes.
type writing struct {
	running chan struct{} // closed when the goroutine that writes has ended; nil if none runs
	tries   int           // failed in a row
	next    time.Time     // not written before
}

// touch notes that the record of a key must be written, and makes sure that
// somebody writes. The caller holds m.mu.
func (m *remembered[V]) touch(key string) {
	m.dirty[key] = struct{}{}
	if m.writer.running == nil && !m.closed {
		ended := make(chan struct{})
		m.writer.running = ended
		go m.writeBehind(ended)
	}
}

// writeBehind writes about once a second, and ends when nothing is left to write.
func (m *remembered[V]) writeBehind(ended chan struct{}) {
	defer close(ended)
	for {
		m.mu.Lock()
		if len(m.dirty) == 0 || m.life.Err() != nil {
			m.writer.running = nil
			m.mu.Unlock()
			return
		}
		wait := time.Until(m.writer.next)
		m.mu.Unlock()
		if wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-m.life.Done():
				timer.Stop()
			}
			continue
		}
		// A failure is counted, and waits for its next try like all else.
		_ = m.write(m.life)
	}
}

// write writes what is dirty now; what fails is dirty again.
func (m *remembered[V]) write(ctx context.Context) error {
	select {
	case m.writing <- struct{}{}:
		defer func() { <-m.writing }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	b := m.batch()
	if len(b.Put) == 0 && len(b.Delete) == 0 {
		return nil
	}
	unkept, err := m.tryWrite(ctx, b)

	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.counts.Unkept += unkept
	if err == nil {
		m.counts.Writes++
		m.counts.LastWrite = now
		m.writer.tries, m.writer.next = 0, now.Add(saveEvery)
		return nil
	}
	for _, r := range b.Put {
		m.dirty[r.Key] = struct{}{}
	}
	for _, key := range b.Delete {
		m.dirty[key] = struct{}{}
	}
	m.counts.WriteErrors++
	m.trouble(err)
	m.writer.next = now.Add(backoff(m.writer.tries))
	m.writer.tries++
	return err
}

// batch takes what is dirty.
func (m *remembered[V]) batch() core.Batch {
	b := m.take()
	// Outside the lock: the checksums of a full bucket take milliseconds.
	for i, r := range b.Put {
		b.Put[i].Value = seal(r.Key, r.SavedAt, r.Value)
	}
	return b
}

func (m *remembered[V]) take() core.Batch {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b core.Batch
	for key := range m.dirty {
		e := m.entries[key]
		if e == nil {
			b.Delete = append(b.Delete, key)
			continue
		}
		e.stored = true
		b.Put = append(b.Put, core.Record{Key: key, Value: e.data, SavedAt: e.stamp})
	}
	clear(m.dirty)
	return b
}

// tryWrite writes a batch. One record that the store can never take must not keep
// the others from it: a batch that is refused is written in halves, and what is
// refused alone is given up, and counted.
func (m *remembered[V]) tryWrite(ctx context.Context, b core.Batch) (unkept uint64, err error) {
	err = m.writeOnce(ctx, b)
	if !errors.Is(err, core.ErrInvalid) {
		return 0, err
	}
	if len(b.Delete) > 0 {
		if err := m.writeOnce(ctx, core.Batch{Delete: b.Delete}); err != nil && !errors.Is(err, core.ErrInvalid) {
			return 0, err
		}
		if len(b.Put) == 0 {
			return 0, nil
		}
		return m.tryWrite(ctx, core.Batch{Put: b.Put})
	}
	if len(b.Put) == 1 {
		return 1, nil
	}
	half := len(b.Put) / 2
	first, err := m.tryWrite(ctx, core.Batch{Put: b.Put[:half]})
	if err != nil {
		return first, err
	}
	second, err := m.tryWrite(ctx, core.Batch{Put: b.Put[half:]})
	return first + second, err
}

func (m *remembered[V]) writeOnce(ctx context.Context, b core.Batch) (err error) {
	defer shieldStore(&err)
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := m.store.Write(ctx, m.bucket, b); err != nil {
		return fmt.Errorf("policy: fallback: bucket %q can't be written: %w", m.bucket, err)
	}
	return nil
}

// flush writes what is dirty, due or not, after what is being written already.
func (m *remembered[V]) flush(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return m.write(ctx)
}

// close ends reader and writer and flushes, within ctx.
func (m *remembered[V]) close(ctx context.Context) error {
	m.mu.Lock()
	again := m.closed
	m.closed = true
	running := []chan struct{}{m.reader.running, m.writer.running}
	m.mu.Unlock()
	if again {
		return nil
	}
	m.stop()
	for _, ended := range running {
		if ended == nil {
			continue
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return fmt.Errorf("policy: fallback: the cache store does not end: %w", context.Cause(ctx))
		}
	}
	flushed := make(chan error, 1)
	go func() { flushed <- m.flush(ctx) }()
	select {
	case err := <-flushed:
		return err
	case <-ctx.Done():
		// A store that ignores its ctx keeps that goroutine until it answers.
		return fmt.Errorf("policy: fallback: not flushed: %w", context.Cause(ctx))
	}
}
