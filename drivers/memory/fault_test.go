package memory_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

// bubble runs f in a bubble with a backend made inside it.
func bubble(t *testing.T, o memory.Options, f func(t *testing.T, b *memory.Backend)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(o)
		defer b.Close()
		f(t, b)
	})
}

func registration(id string, ttl time.Duration) core.Registration {
	return core.Registration{Instance: core.Instance{ID: id, Service: "orders"}, Owner: "o", TTL: ttl}
}

// load returns the number of keys that source sees.
func load(ctx context.Context, s core.ConfigSource) (int, error) {
	snap, err := s.Load(ctx)
	return len(snap.Items), err
}

func TestBackend_RegistrationEndsWithItsTTL(t *testing.T) {
	bubble(t, memory.Options{}, func(t *testing.T, b *memory.Backend) {
		r := b.Registry()
		count := func() int {
			snap, err := r.Discover(t.Context(), "orders")
			if err != nil {
				t.Fatal(err)
			}
			return len(snap.Items)
		}
		for range 5 { // four refreshes
			if err := r.Register(t.Context(), registration("a", 10*time.Second)); err != nil {
				t.Fatal(err)
			}
			wait(t, 9*time.Second)
			if count() != 1 {
				t.Fatal("a registration ended before its TTL")
			}
		}
		wait(t, 2*time.Second)
		if count() != 0 {
			t.Fatal("a registration outlived its TTL")
		}
	})
}

// wait lets time pass in a bubble.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	select {
	case <-timer.C:
		synctest.Wait()
	case <-t.Context().Done():
		t.Fatal(context.Cause(t.Context()))
	}
}

func TestBackend_WatchTakesNoLongerThanPromised(t *testing.T) {
	const interval = 4 * time.Second
	for name, row := range map[string]struct {
		fault func(b *memory.Backend)
		after time.Duration // since the last heartbeat
		bound time.Duration
		kind  error
	}{
		"cut":                  {(*memory.Backend).Cut, time.Second, 0, core.ErrUnavailable},
		"wiped":                {(*memory.Backend).Wipe, time.Second, 0, core.ErrUnavailable},
		"no quorum":            {(*memory.Backend).LoseQuorum, time.Second, 0, core.ErrUnavailable},
		"closed":               {(*memory.Backend).Close, time.Second, 0, core.ErrClosed},
		"silent at once":       {(*memory.Backend).Silence, 0, 2 * interval, core.ErrUnavailable},
		"silent, then a beat":  {(*memory.Backend).Silence, interval - time.Millisecond, 2 * interval, core.ErrUnavailable},
		"cut and healed again": {func(b *memory.Backend) { b.Cut(); b.Heal() }, 0, 0, core.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, memory.Options{Heartbeat: interval}, func(t *testing.T, b *memory.Backend) {
				source := b.ConfigSource("/config/")
				snap, err := source.Load(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				beats, ended := 0, make(chan error, 1)
				go func() {
					var end error
					for u, err := range source.Watch(t.Context(), snap.Revision) {
						if end = err; err == nil && u.Heartbeat() {
							beats++
						}
					}
					ended <- end
				}()
				wait(t, 3*interval+row.after)
				if beats != 3 {
					t.Errorf("%d heartbeats in three intervals", beats)
				}
				start := time.Now()
				row.fault(b)
				err = <-ended
				if !errors.Is(err, row.kind) || time.Since(start) > row.bound {
					t.Errorf("ended after %v with %v; want %v within %v", time.Since(start), err, row.kind, row.bound)
				}
			})
		})
	}
}

func TestBackend_WatchSurvivesABriefSilence(t *testing.T) {
	bubble(t, memory.Options{}, func(t *testing.T, b *memory.Backend) {
		source := b.ConfigSource("/config/")
		snap, err := source.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seen := make(chan core.Update[[]byte], 8)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			for u, err := range source.Watch(ctx, snap.Revision) {
				if err == nil && !u.Heartbeat() {
					seen <- u
				}
			}
		}()
		synctest.Wait()
		b.Silence()
		b.Put("/config/a", []byte("1"))
		wait(t, 3*time.Second)
		if len(seen) != 0 {
			t.Error("a silent backend showed a change")
		}
		b.Heal()
		synctest.Wait()
		if len(seen) != 1 {
			t.Errorf("%d changes after a brief silence; want 1", len(seen))
		}
	})
}

func TestBackend_CallsFeelTheFault(t *testing.T) {
	errGone := errors.New("caller's own")
	for name, row := range map[string]struct {
		fault func(b *memory.Backend)
		took  time.Duration
		kind  error // nil: success
	}{
		"healthy":   {func(*memory.Backend) {}, 0, nil},
		"cut":       {(*memory.Backend).Cut, 0, core.ErrUnavailable},
		"silent":    {(*memory.Backend).Silence, 5 * time.Second, core.ErrUnavailable},
		"slow":      {func(b *memory.Backend) { b.Slow(2 * time.Second) }, 2 * time.Second, nil},
		"too slow":  {func(b *memory.Backend) { b.Slow(time.Minute) }, 5 * time.Second, core.ErrUnavailable},
		"denied":    {func(b *memory.Backend) { b.Refuse(core.ErrDenied) }, 0, core.ErrDenied},
		"throttled": {func(b *memory.Backend) { b.Refuse(core.ErrThrottled) }, 0, core.ErrThrottled},
		"closed":    {(*memory.Backend).Close, 0, core.ErrClosed},
		"healed":    {func(b *memory.Backend) { b.Cut(); b.Slow(time.Hour); b.Refuse(core.ErrDenied); b.Heal() }, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, memory.Options{}, func(t *testing.T, b *memory.Backend) {
				row.fault(b)
				ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, errGone)
				defer cancel()
				start := time.Now()
				_, err := load(ctx, b.ConfigSource(""))
				if took := time.Since(start); took != row.took || !errors.Is(err, row.kind) {
					t.Errorf("Load took %v and failed with %v; want %v and %v", took, err, row.took, row.kind)
				}
				if row.took == 5*time.Second && !errors.Is(err, errGone) {
					t.Errorf("%v does not hold the cause of the deadline", err)
				}
			})
		})
	}
}

func TestBackend_WithoutQuorumReadsAreReplicas(t *testing.T) {
	bubble(t, memory.Options{}, func(t *testing.T, b *memory.Backend) {
		r, s := b.Registry(), b.ConfigSource("/config/")
		if err := r.Register(t.Context(), registration("a", time.Minute)); err != nil {
			t.Fatal(err)
		}
		b.Put("/config/a", []byte("1"))
		b.LoseQuorum()
		config, err := s.Load(t.Context())
		if err != nil || !config.Replica || len(config.Items) != 1 {
			t.Errorf("Load without quorum: %+v, %v", config, err)
		}
		instances, err := r.Discover(t.Context(), "orders")
		if err != nil || !instances.Replica || len(instances.Items) != 1 {
			t.Errorf("Discover without quorum: %+v, %v", instances, err)
		}
		if err := r.Register(t.Context(), registration("b", time.Minute)); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("Register without quorum: %v; want %v", err, core.ErrUnavailable)
		}
		for _, err := range s.Watch(t.Context(), config.Revision) {
			if !errors.Is(err, core.ErrUnavailable) {
				t.Errorf("Watch without quorum: %v; want %v", err, core.ErrUnavailable)
			}
		}
		b.Heal()
		if config, err = s.Load(t.Context()); err != nil || config.Replica {
			t.Errorf("Load after Heal: %+v, %v", config, err)
		}
	})
}

func TestBackend_CompactsByItself(t *testing.T) {
	bubble(t, memory.Options{History: 10}, func(t *testing.T, b *memory.Backend) {
		s := b.ConfigSource("")
		old, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for n := range 11 {
			b.Put("a", []byte(fmt.Sprint(n)))
		}
		for u, err := range s.Watch(t.Context(), old.Revision) {
			if !errors.Is(err, core.ErrRevisionGone) {
				t.Fatalf("watch from what was compacted: %+v, %v", u, err)
			}
		}
	})
}

func TestBackend_AdvanceOvertakes(t *testing.T) {
	for _, plain := range []bool{false, true} {
		b := memory.New(memory.Options{PlainRevisions: plain})
		defer b.Close()
		s := b.ConfigSource("")
		for range 20 {
			b.Put("a", nil)
		}
		old, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b.Wipe()
		low, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b.Advance(old.Revision)
		b.Advance("no revision")
		high, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := s.Compare(low.Revision, high.Revision); !ok || n >= 0 {
			t.Errorf("plain %v: Advance did not move the revision up", plain)
		}
		n, ok := s.Compare(old.Revision, high.Revision)
		if ok != plain || (ok && n >= 0) {
			t.Errorf("plain %v: Compare(old, overtaken) = %d, %v", plain, n, ok)
		}
	}
}

func TestBackend_RequestsCountsCallsAndWatches(t *testing.T) {
	bubble(t, memory.Options{}, func(t *testing.T, b *memory.Backend) {
		s := b.ConfigSource("")
		snap, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seq := s.Watch(t.Context(), snap.Revision)
		if got := b.Requests(); got != 1 {
			t.Errorf("%d requests before a range began; want 1", got)
		}
		beats := 0
		for _, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			if beats++; beats == 3 {
				break
			}
		}
		if got := b.Requests(); got != 2 {
			t.Errorf("%d requests after a list and a watch with three heartbeats; want 2", got)
		}
	})
}

func TestBackend_PutRawReadsWhatIsWellFormed(t *testing.T) {
	b := memory.New(memory.Options{})
	defer b.Close()
	b.PutRaw("orders", "good", []byte(`{"id":"good","service":"orders","version":"1"}`))
	b.PutRaw("orders", "other", []byte(`{"id":"good","service":"orders"}`))
	b.PutRaw("orders", "torn", []byte(`{"id":"torn","ser`))
	snap, err := b.Registry().Discover(t.Context(), "orders")
	if err != nil || len(snap.Items) != 1 || snap.Items["good"].Version != "1" || len(snap.Bad) != 2 {
		t.Errorf("got %+v, %v", snap, err)
	}
	for id, err := range snap.Bad {
		if !errors.Is(err, core.ErrCorrupt) {
			t.Errorf("%s: %v; want %v", id, err, core.ErrCorrupt)
		}
	}
}

func TestHold_NewestTakesThePlace(t *testing.T) {
	bubble(t, memory.Options{}, func(t *testing.T, b *memory.Backend) {
		r := b.Registry()
		first := b.Hold()
		ended := make(chan error, 1)
		go func() { ended <- r.Register(t.Context(), registration("a", time.Minute)) }()
		synctest.Wait()
		second := b.Hold()
		if err := <-ended; !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("a write that was held back: %v; want %v", err, core.ErrUnavailable)
		}
		second.Release()
		first.Release()
		first.Release()
		snap, err := r.Discover(t.Context(), "orders")
		if err != nil || len(snap.Items) != 1 {
			t.Errorf("after Release: %+v, %v", snap, err)
		}
	})
}
