package outagetest

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

// child is a service in a process of its own.
type child struct {
	t       *testing.T
	process *os.Process
	input   io.WriteCloser
	answers *json.Decoder
	exited  chan struct{}
	state   *os.ProcessState // how it ended; set before exited is closed
}

// startChild runs the test binary as a service. It is killed with the test.
func startChild(t *testing.T, spec childSpec) *child {
	t.Helper()
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var complaints bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	cmd.Stderr = &complaints
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, input: input, answers: json.NewDecoder(output), exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer close(c.exited)
		// The signal of Pdeathsig comes when the thread that started the child ends
		// (golang/go #27505).
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		c.process = cmd.Process
		started <- err
		if err == nil {
			_ = cmd.Wait() // the state tells
			c.state = cmd.ProcessState
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.process.Kill()
		<-c.exited
		if t.Failed() {
			t.Logf("child: %s", complaints.String())
		}
	})
	return c
}

// ask returns how the child's service does.
func (c *child) ask() childState {
	c.t.Helper()
	if _, err := io.WriteString(c.input, "?\n"); err != nil {
		c.t.Fatalf("ask the child: %v", err)
	}
	var s childState
	if err := c.answers.Decode(&s); err != nil {
		c.t.Fatalf("the child answers: %v", err)
	}
	return s
}

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.process.Signal(s); err != nil {
		c.t.Fatalf("signal the child: %v", err)
	}
}

// A process that was stopped for longer than its TTL finds its lease gone when it
// goes on, and registers once.
func TestAppPausedLongerThanTTL_RegistersOnce_Row31(t *testing.T) {
	t.Parallel()
	const clause = "app paused longer than TTL"
	server := etcdtest.Start(t, etcdtest.Options{})
	c := startCouple(t, server)
	app := startChild(t, childSpec{Endpoints: server.Endpoints(), Service: "orders", ID: "orders-child"})
	seen := func(n int) func() bool { return func() bool { return len(c.inventory.peers.Instances()) == n } }
	eventually(t, "the peer sees it", seen(2))
	eventually(t, "it says registered", func() bool { return app.ask().State == "registered" })
	const key = "/services/orders/orders-child"
	before, revision := c.backend.get(key)
	diary := c.backend.watchKey(key, revision)

	app.signal(syscall.SIGSTOP)
	stopped := time.Now()
	measure(t, clause, stopped, goal{"gone from peers", ttl + time.Second, seen(1)})
	outage(t, stopped, 2*ttl)
	app.signal(syscall.SIGCONT)
	resumed := time.Now()
	measure(t, clause, resumed, goal{"registered again, as peers see it", backLimit, seen(2)})
	eventually(t, "it says registered", func() bool { s := app.ask(); return s.State == "registered" && s.Level == "live" && !s.Degraded })
	outage(t, resumed, ttl)
	if s := app.ask(); s.State != "registered" || s.Registrations != 2 || s.Losses != 1 {
		t.Errorf("the app says %+v; want registered for the second time after one loss", s)
	}
	if puts, deletions := diary.count(); puts != 1 || deletions != 1 {
		t.Errorf("%v; want one deletion and one put", diary)
	}
	if after := c.backend.mustGet(key); after.Lease == before.Lease {
		t.Errorf("the key is on lease %x, which had ended", after.Lease)
	}
	c.inventory.mustBeWell(t)
}

func TestAppKilled_GoneFromPeers_Row29(t *testing.T) {
	t.Parallel()
	const clause = "app killed"
	server := etcdtest.Start(t, etcdtest.Options{})
	c := startCouple(t, server)
	app := startChild(t, childSpec{Endpoints: server.Endpoints(), Service: "orders", ID: "orders-child"})
	seen := func(n int) func() bool { return func() bool { return len(c.inventory.peers.Instances()) == n } }
	eventually(t, "the peer sees it", seen(2))
	dog := guard(t, c.inventory, firstItems)

	app.signal(syscall.SIGKILL)
	died := time.Now()
	measure(t, clause, died, goal{"gone from peers", ttl + time.Second, seen(1)})
	if id := c.inventory.peers.Instances()[0].ID; id != "orders-1" {
		t.Errorf("%s is left; want the one that lives", id)
	}
	dog.end(t)
}
