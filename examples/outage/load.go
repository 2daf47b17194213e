package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The load: so many customers, each of whom orders so often.
const (
	customers = 4
	pace      = 20 * time.Millisecond
	// tooLong is what a customer waits for an answer.
	tooLong = 5 * time.Second
)

// load asks for orders without a break and counts every answer.
type load struct {
	target atomic.Pointer[string] // as a load balancer would know it
	client *http.Client
	stop   context.CancelFunc
	wg     sync.WaitGroup

	requests, failed atomic.Int64
	slowest          atomic.Int64 // nanoseconds
	mu               sync.Mutex
	first            error // the first failure
}

func startLoad(ctx context.Context, target string) *load {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &load{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: customers}}, stop: stop}
	l.target.Store(&target)
	for range customers {
		l.wg.Go(func() { l.order(ctx) })
	}
	return l
}

// order is one customer.
func (l *load) order(ctx context.Context) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		l.one(context.WithoutCancel(ctx))
	}
}

func (l *load) one(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tooLong)
	defer cancel()
	began := time.Now()
	r := getWith(ctx, l.client, *l.target.Load()+"/order", nil)
	took := int64(time.Since(began))
	for old := l.slowest.Load(); took > old && !l.slowest.CompareAndSwap(old, took); old = l.slowest.Load() {
		continue
	}
	l.requests.Add(1)
	if r.err == nil && r.code == http.StatusOK {
		return
	}
	l.failed.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.first = fmt.Errorf("status %d, %w", r.code, r.err)
	}
}

// more waits until n further requests were answered.
func (l *load) more(ctx context.Context, n int64) error {
	goal := l.requests.Load() + n
	return until(ctx, fmt.Sprintf("%d more requests are answered", n), func() bool { return l.requests.Load() >= goal })
}

// end stops the load and awaits the last answers. It may be called twice.
func (l *load) end() {
	l.stop()
	l.wg.Wait()
	l.client.CloseIdleConnections()
}
