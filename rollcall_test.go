package holdfast

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// rollcall is a registry of which a test gives every answer by hand. It registers
// nothing.
type rollcall struct {
	core.Registry
	origin string
	steps  chan rollcallStep

	mu     sync.Mutex
	answer core.Snapshot[core.Instance]
	err    error
	lists  int
}

type rollcallStep struct {
	update core.Update[core.Instance]
	err    error
}

func newRollcall() *rollcall {
	return &rollcall{origin: "rollcall", steps: make(chan rollcallStep)}
}

func (r *rollcall) Origin() string { return r.origin }

func (r *rollcall) Discover(context.Context, string) (core.Snapshot[core.Instance], error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lists++
	s := r.answer
	s.Items, s.Bad = maps.Clone(s.Items), maps.Clone(s.Bad)
	return s, r.err
}

func (r *rollcall) Watch(ctx context.Context, _ string, _ core.Revision) iter.Seq2[core.Update[core.Instance], error] {
	return func(yield func(core.Update[core.Instance], error) bool) {
		for {
			select {
			case s := <-r.steps:
				if !yield(s.update, s.err) || s.err != nil {
					return
				}
			case <-ctx.Done():
				yield(core.Update[core.Instance]{}, context.Cause(ctx))
				return
			}
		}
	}
}

// shows makes the next lists answer with these instances.
func (r *rollcall) shows(in ...core.Instance) {
	r.says(core.Snapshot[core.Instance]{Items: byID(in...), Revision: "1"})
}

func (r *rollcall) says(s core.Snapshot[core.Instance]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer, r.err = s, nil
}

// fails makes the next lists fail.
func (r *rollcall) fails(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

func (r *rollcall) listed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lists
}

// step makes the watch yield u, and waits until it was merged.
func (r *rollcall) step(u core.Update[core.Instance]) {
	r.send(u)
	synctest.Wait()
}

// send makes the watch yield u.
func (r *rollcall) send(u core.Update[core.Instance]) { r.steps <- rollcallStep{update: u} }

// breaks ends the watch; lists are answered as before.
func (r *rollcall) breaks(err error) {
	r.steps <- rollcallStep{err: err}
	synctest.Wait()
}

// lose ends the watch, for lists that fail until the next call of shows or says.
func (r *rollcall) lose() {
	r.fails(errAway)
	r.breaks(errAway)
}

// heal lets lists be answered again, and waits for one.
func (r *rollcall) heal(in ...core.Instance) {
	r.shows(in...)
	n := r.listed()
	for r.listed() == n {
		time.Sleep(10 * time.Millisecond) // of a bubble's clock
	}
	synctest.Wait()
}

var errAway = fmt.Errorf("%w: away", core.ErrUnavailable)

// peer returns an instance that is up.
func peer(id string) core.Instance {
	return core.Instance{ID: id, Service: "inventory", Endpoints: []string{"http://" + id + ":80"}}
}

func peers(ids string) []core.Instance {
	var all []core.Instance
	for id := range strings.FieldsSeq(ids) {
		all = append(all, peer(id))
	}
	return all
}

func withStatus(in core.Instance, s core.Status) core.Instance {
	in.Status = s
	return in
}

func byID(in ...core.Instance) map[string]core.Instance {
	m := make(map[string]core.Instance)
	for _, i := range in {
		m[i.ID] = i
	}
	return m
}

// discover opens a Discovery that ends with the test, before a bubble does.
func discover(t *testing.T, reg core.Registry, opts DiscoveryOptions) *Discovery {
	t.Helper()
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Resync == 0 {
		opts.Resync = -1
	}
	if opts.SuspectFor == 0 {
		opts.SuspectFor = 30 * time.Second
	}
	if opts.Probe == nil {
		opts.Probe = func(context.Context, *core.Instance) error { return nil }
	}
	d, err := OpenDiscovery(reg, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return d
}

// inventory opens a Discovery and returns its handle of the service inventory,
// once it has settled.
func inventory(t *testing.T, reg core.Registry, opts DiscoveryOptions) (*Discovery, *Endpoints) {
	t.Helper()
	d := discover(t, reg, opts)
	e := d.Endpoints("inventory")
	synctest.Wait()
	return d, e
}

func ids(in []*core.Instance) string {
	var all []string
	for _, i := range in {
		all = append(all, i.ID)
	}
	return strings.Join(all, " ")
}

func heldIDs(e *Endpoints) string {
	var all []string
	for _, s := range e.Status().Held {
		all = append(all, s.ID)
	}
	return strings.Join(all, " ")
}

// wantKnown checks the IDs of all instances, of the held, and the level.
func wantKnown(t *testing.T, e *Endpoints, known, held string, level core.Level) {
	t.Helper()
	if got := ids(e.Instances()); got != known {
		t.Errorf("instances are %q, want %q", got, known)
	}
	if got := heldIDs(e); got != held {
		t.Errorf("held are %q, want %q", got, held)
	}
	if got := e.Status().Level; got != level {
		t.Errorf("level is %v, want %v", got, level)
	}
}

// levels returns the changes of level that were recorded, as "from>to".
func levels(d *Discovery) []string {
	var all []string
	for _, ev := range d.jrnl.timeline() {
		if ev.Kind == EventLevel {
			all = append(all, fmt.Sprintf("%v>%v", ev.From, ev.To))
		}
	}
	return all
}

func wantLevels(t *testing.T, d *Discovery, want ...string) {
	t.Helper()
	if got := levels(d); !slices.Equal(got, want) {
		t.Errorf("changes of level recorded: %q, want %q", got, want)
	}
}

// noted is a cache store that notes what is written to it.
type noted struct {
	mu      sync.Mutex
	buckets map[string]map[string]core.Record
	batches []core.Batch
	err     error         // of every call
	gate    chan struct{} // reads wait for it; nil is open
}

func (n *noted) Get(context.Context, string, string) (core.Record, error) {
	return core.Record{}, core.ErrNotFound
}

func (n *noted) All(ctx context.Context, bucket string) iter.Seq2[core.Record, error] {
	return func(yield func(core.Record, error) bool) {
		if n.gate != nil {
			select {
			case <-n.gate:
			case <-ctx.Done():
				yield(core.Record{}, context.Cause(ctx))
				return
			}
		}
		n.mu.Lock()
		records, err := slices.Collect(maps.Values(n.buckets[bucket])), n.err
		n.mu.Unlock()
		if err != nil {
			yield(core.Record{}, err)
			return
		}
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (n *noted) Write(_ context.Context, bucket string, b core.Batch) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err != nil {
		return n.err
	}
	n.batches = append(n.batches, b)
	if n.buckets == nil {
		n.buckets = make(map[string]map[string]core.Record)
	}
	if n.buckets[bucket] == nil || b.Reset {
		n.buckets[bucket] = make(map[string]core.Record)
	}
	for _, key := range b.Delete {
		delete(n.buckets[bucket], key)
	}
	for _, r := range b.Put {
		n.buckets[bucket][r.Key] = r
	}
	return nil
}

func (n *noted) Close() error { return nil }

func (n *noted) fails(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.err = err
}

// keys returns the keys of a bucket of instances.
func (n *noted) keys(origin string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Keys(n.buckets[bucketName("instances/inventory", origin, "")])), " ")
}

// last returns the batches written since the last call.
func (n *noted) last() []core.Batch {
	n.mu.Lock()
	defer n.mu.Unlock()
	b := n.batches
	n.batches = nil
	return b
}

// remembering returns a store in which an earlier run left these instances.
func remembering(t *testing.T, origin string, savedAt time.Time, in ...core.Instance) *noted {
	t.Helper()
	n := &noted{}
	var b core.Batch
	for _, i := range in {
		value, err := seal(i)
		if err != nil {
			t.Fatal(err)
		}
		b.Put = append(b.Put, core.Record{Key: i.ID, Value: value, Revision: "7", SavedAt: savedAt})
	}
	if err := n.Write(t.Context(), bucketName("instances/inventory", origin, ""), b); err != nil {
		t.Fatal(err)
	}
	n.last()
	return n
}
