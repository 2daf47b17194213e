package outagetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

// sample is one request of a load.
type sample struct {
	began time.Time
	took  time.Duration
}

// stopwatch asks orders by its name, from several goroutines, and keeps every time.
type stopwatch struct {
	client *http.Client
	stop   context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	all    []sample
	failed []error
}

func startStopwatch(t *testing.T, client *http.Client, url string) *stopwatch {
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	w := &stopwatch{client: client, stop: stop}
	t.Cleanup(w.end)
	for range customers {
		w.wg.Go(func() {
			tick := time.NewTicker(orderEvery)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
				w.one(context.WithoutCancel(ctx), url)
			}
		})
	}
	return w
}

func (w *stopwatch) one(ctx context.Context, url string) {
	began := time.Now()
	code, body, err := fetch(ctx, w.client, http.MethodGet, url)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("status %d: %s", code, body)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, sample{began, time.Since(began)})
	if err != nil {
		w.failed = append(w.failed, err)
	}
}

func (w *stopwatch) end() {
	w.stop()
	w.wg.Wait()
}

// span is a time in which somebody was paused.
type span struct{ from, to time.Time }

// p99 returns the 99th percentile of the requests that no span touches, and how many
// those are.
func (w *stopwatch) p99(without []span) (time.Duration, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var took []time.Duration
	for _, s := range w.all {
		if !slices.ContainsFunc(without, func(p span) bool { return s.began.Before(p.to) && s.began.Add(s.took).After(p.from) }) {
			took = append(took, s.took)
		}
	}
	if len(took) == 0 {
		return 0, 0
	}
	slices.Sort(took)
	return took[len(took)*99/100], len(took)
}

// noise is what a quiet p99 is taken for at least: below it the machine's own hiccups
// are measured, not ours.
const noise = 10 * time.Millisecond

// Instances are killed, paused and restarted at random, and etcd is away for a third
// of the time: the load must not see it. What is quiet is an instance of another
// service that nobody touches, asked at the same time: tests beside this one slow down
// both.
func TestChaos_NoRequestFails(t *testing.T) {
	t.Parallel()
	const clause = "chaos"
	lasts, away := time.Minute, 20*time.Second
	if testing.Short() {
		lasts, away = 15*time.Second, 5*time.Second
	}
	server := etcdtest.Start(t, etcdtest.Options{})
	backend{t, server.Client(t)}.put(maxItemsKey, "7")
	var instances []*webInstance
	for i := range 4 {
		instances = append(instances, startWeb(t, server.Endpoints(), fmt.Sprintf("orders-%d", i+1), webSpec{LameDuck: 100 * time.Millisecond}))
	}
	steady := startWeb(t, server.Endpoints(), "steady-1", webSpec{Service: "steady"})
	n := startNode(t, nodeOptions{name: "shop", peer: "orders", endpoints: server.Endpoints()})
	eventually(t, "the shop finds all", func() bool { return len(n.peers.Instances()) == len(instances) })
	pool := &http.Transport{MaxIdleConnsPerHost: customers}
	t.Cleanup(pool.CloseIdleConnections)
	client := &http.Client{Transport: holdfast.Transport(n.svc, pool), Timeout: orderLimit}

	quiet := startStopwatch(t, &http.Client{Transport: pool, Timeout: orderLimit}, steady.url+"/order")
	w := startStopwatch(t, client, "http://orders/order")
	began := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() {
		outage(t, began, lasts/3)
		server.Kill()
		outage(t, began, lasts/3+away)
		server.Restart()
	})
	var paused []span
	did := make(map[string]int)
	for random := rand.New(rand.NewPCG(7, 7)); time.Since(began) < lasts; {
		one := instances[random.IntN(len(instances))]
		switch random.IntN(3) {
		case 0:
			one.signal(syscall.SIGKILL)
			one.awaitExit(t, patience)
			one.start(t)
			did["killed"]++
		case 1:
			from := time.Now()
			one.signal(syscall.SIGSTOP)
			outage(t, from, 2*time.Second)
			one.signal(syscall.SIGCONT)
			paused = append(paused, span{from, time.Now().Add(time.Second)})
			did["paused"]++
		case 2:
			one.terminate(t, exitLimit)
			one.start(t)
			did["restarted"]++
		}
		outage(t, time.Now(), time.Second/2)
	}
	wg.Wait()
	w.end()
	quiet.end()
	rough, roughRequests := w.p99(paused)
	calm, calmRequests := quiet.p99(paused)
	t.Logf("measured: %s: %d requests in %v, %d failed; instances %v; outside of pauses p99 %v of %d, and of an instance left alone %v of %d",
		clause, len(w.all), lasts, len(w.failed), did, rough, roughRequests, calm, calmRequests)
	if len(w.failed) > 0 {
		t.Errorf("%d of %d requests failed, the first: %v", len(w.failed), len(w.all), w.failed[0])
	}
	if limit := 2 * max(calm, noise); rough > limit {
		t.Errorf("p99 outside of pauses is %v; the limit is %v", rough, limit)
	}
	if roughRequests == 0 || did["killed"] == 0 || did["paused"] == 0 || did["restarted"] == 0 {
		t.Errorf("not everything happened: %v, %d requests outside of pauses", did, roughRequests)
	}
}
