package outagetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// keyEvent is one change of a key, as a client of the test's own saw it.
type keyEvent struct {
	at       time.Time
	deleted  bool
	lease    int64
	revision int64
}

// keyWatch is the diary of one key.
type keyWatch struct {
	key string

	mu     sync.Mutex
	events []keyEvent
	err    error
}

// watchKey writes down what happens to a key after a revision, until the test
// ends.
func (b backend) watchKey(key string, after int64) *keyWatch {
	b.t.Helper()
	w := &keyWatch{key: key}
	ctx, cancel := context.WithCancel(b.t.Context())
	events := b.client.Watch(ctx, key, clientv3.WithRev(after+1), clientv3.WithCreatedNotify())
	if created := <-events; created.Err() != nil {
		cancel()
		b.t.Fatalf("watch %s: %v", key, created.Err())
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for r := range events {
			w.write(r)
		}
	})
	b.t.Cleanup(func() { cancel(); wg.Wait() })
	return w
}

func (w *keyWatch) write(r clientv3.WatchResponse) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.Err() != nil {
		w.err = r.Err()
	}
	for _, e := range r.Events {
		w.events = append(w.events, keyEvent{
			at: time.Now(), deleted: e.Type == clientv3.EventTypeDelete,
			lease: e.Kv.GetLease(), revision: e.Kv.GetModRevision(),
		})
	}
}

// seen returns the diary so far.
func (w *keyWatch) seen() []keyEvent {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]keyEvent(nil), w.events...)
}

// count returns how often the key was put and deleted.
func (w *keyWatch) count() (puts, deletions int) {
	for _, e := range w.seen() {
		if e.deleted {
			deletions++
		} else {
			puts++
		}
	}
	return puts, deletions
}

// backAfterDeletion returns the first deletion and the first put after it.
func (w *keyWatch) backAfterDeletion() (gone, back keyEvent, ok bool) {
	for _, e := range w.seen() {
		switch {
		case e.deleted && gone.at.IsZero():
			gone = e
		case !e.deleted && !gone.at.IsZero():
			return gone, e, true
		}
	}
	return gone, back, false
}

func (w *keyWatch) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s:", w.key)
	for _, e := range w.seen() {
		what := fmt.Sprintf("put on lease %x", e.lease)
		if e.deleted {
			what = "deleted"
		}
		fmt.Fprintf(&s, " [%s %s at %d]", e.at.Format("05.000"), what, e.revision)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		fmt.Fprintf(&s, " ended: %v", w.err)
	}
	return s.String()
}
