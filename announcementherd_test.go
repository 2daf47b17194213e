package holdfast

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// herd is a backend that ten thousand processes lose in one moment.
type herd struct {
	leased
	tries []time.Time // since the start of the measurement
}

func (h *herd) Register(ctx context.Context, r core.Registration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tries = append(h.tries, time.Now())
	if h.dead {
		return core.ErrUnavailable
	}
	return nil
}

func (h *herd) measure() { h.mu.Lock(); h.tries = h.tries[:0]; h.mu.Unlock() }

// histogram counts the tries in slices of time from start.
func (h *herd) histogram(start time.Time, slice time.Duration, n int) (counts []int, beyond int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	counts = make([]int, n)
	for _, at := range h.tries {
		if i := int(at.Sub(start) / slice); i < n {
			counts[i]++
		} else {
			beyond++
		}
	}
	return counts, beyond
}

func TestHerd_TenThousandSpreadTheirTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const (
			clients = 10_000
			slices  = 15
			slice   = 100 * time.Millisecond // the spread of 1.5 s in fifteen
			mean    = clients / slices
		)
		h := &herd{leased: leased{broken: make(chan struct{})}}
		j := newJournal(slog.New(slog.DiscardHandler))
		var all []*Announcement
		for i := range clients {
			in := orders
			in.ID = strconv.Itoa(i)
			a, err := announce(h, in, AnnounceOptions{}, j)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, a)
		}
		t.Cleanup(func() {
			var wg sync.WaitGroup
			for _, a := range all {
				wg.Go(func() { _ = a.Close(context.WithoutCancel(t.Context())) })
			}
			wg.Wait()
		})
		synctest.Wait()
		time.Sleep(time.Second)

		// All connections break in one moment, and the backend is there at once:
		// one try each, evenly over the spread.
		h.measure()
		start := time.Now()
		h.kill()
		h.start(0)
		time.Sleep(slices * slice)
		counts, _ := h.histogram(start, slice, slices)
		for i, n := range counts {
			if n < mean*7/10 || n > mean*13/10 {
				t.Errorf("slice %d holds %d first tries of %d, want about %d each: %v", i, n, clients, mean, counts)
				break
			}
		}

		// The backend is away for 8 s, less than the TTL: no registration is
		// lost, and the tries after its return are all in and not in one heap.
		time.Sleep(16 * time.Second)
		h.kill()
		time.Sleep(8 * time.Second)
		h.measure()
		start = time.Now()
		h.start(0)
		time.Sleep(slices * slice)
		counts, _ = h.histogram(start, slice, slices)
		total := 0
		for _, n := range counts {
			total += n
			if n > mean*5/2 {
				t.Errorf("a slice of %v holds %d tries, the mean is %d: %v", slice, n, mean, counts)
			}
		}
		if total < clients {
			t.Errorf("%d tries of %d clients within the spread", total, clients)
		}
		for _, a := range all {
			if s := a.Status(); s.State != StateRegistered || s.Losses != 0 {
				t.Fatalf("%+v", s)
			}
		}
		if n := j.count(); n[EventRegistered] != clients || n[EventLost] != 0 {
			t.Errorf("events: %v", n)
		}
	})
}
