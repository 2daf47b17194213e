package outagetest

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/etcdtest"
	"github.com/holdfast-go/holdfast/internal/faultproxy"
)

// startBehind starts a web instance that reaches etcd by a proxy, and returns when
// it is registered.
func startBehind(t *testing.T, web webSpec) (*webInstance, *faultproxy.Proxy) {
	t.Helper()
	server := etcdtest.Start(t, etcdtest.Options{})
	proxy := faultproxy.New(t, server.Addr())
	w := startWeb(t, []string{"http://" + proxy.Addr()}, "orders-1", web)
	b := backend{t, server.Client(t)}
	eventually(t, "it is registered", func() bool { return len(b.list("/services/orders/")) == 1 })
	return w, proxy
}

// A process that is told to end while its etcd swallows everything ends well, in
// the sum of the budgets, and finishes what it has begun.
func TestTerminatedWhileEtcdIsSilent_EndsWell_Row30(t *testing.T) {
	t.Parallel()
	w, proxy := startBehind(t, webSpec{LameDuck: -1})
	type answer struct {
		code int
		err  error
	}
	proxy.Blackhole()
	answers := make(chan answer, 1)
	go func() {
		code, _, err := fetch(t.Context(), http.DefaultClient, http.MethodGet, w.url+"/slow")
		answers <- answer{code, err}
	}()
	eventually(t, "the request is under way", func() bool {
		_, body := w.get(t, "/underway")
		return body == "1"
	})
	// 2 s each to drain, to deregister, to flush and to close, overtime of each,
	// and the request.
	took := w.terminate(t, 10*time.Second)
	if a := <-answers; a.err != nil || a.code != http.StatusOK {
		t.Errorf("the request under way got %d, %v", a.code, a.err)
	}
	report(t, "SIGTERM, etcd silent", "exit code 0", took, 10*time.Second)
}

// The second signal hurries, and the third ends the process as it would end any.
func TestSignalledThreeTimes_Exits(t *testing.T) {
	t.Parallel()
	const clause = "three signals"
	w, proxy := startBehind(t, webSpec{LameDuck: time.Hour, Stuck: 20})
	proxy.Blackhole()
	w.signal(syscall.SIGTERM)
	readiness := func(want int) func() bool {
		return func() bool {
			code, _ := w.get(t, "/readyz")
			return code == want
		}
	}
	eventually(t, "readiness says 503", readiness(http.StatusServiceUnavailable))
	w.signal(syscall.SIGTERM)
	second := time.Now()
	measure(t, clause, second, goal{"nothing is accepted after the second", 5 * time.Second, readiness(0)})
	w.signal(syscall.SIGTERM)
	third := time.Now()
	w.awaitExit(t, patience)
	report(t, clause, "the end after the third", time.Since(third), 2*time.Second)
	if status, ok := w.state.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v; want SIGTERM itself, while hooks still ran", w.state)
	}
}
