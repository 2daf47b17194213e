package etcdtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/loopback"
)

const (
	startTries = 5
	readyLimit = time.Minute // a machine busy with other tests can be very slow
	stopGrace  = 10 * time.Second
	logTail    = 8 << 10
)

// Server is one etcd server, a child process of the test. It keeps its addresses
// and its data through every Kill, Stop and Restart. Its methods that change or
// ask it fail the test when they can't do what they say; they, and so all of
// them but Endpoint and Addr, belong to the goroutine of the test, one at a time.
type Server struct {
	t       testing.TB
	options Options
	name    string
	binary  string
	dir     string // holds data and log
	client  string // address, host:port
	peer    string // address that the member listens on
	peerURL string // address that the others know
	members string // the flag --initial-cluster
	probe   *probe
	pair    KeyPair // of the client address
	process *process
}

// Start runs one etcd server and returns when it answers linearizable reads. It
// ends with the test.
func Start(t testing.TB, options Options) *Server {
	t.Helper()
	s := newServer(t, options, "etcd")
	for try := 1; ; try++ {
		s.allocate()
		s.peerURL = "http://" + s.peer
		s.members = s.name + "=" + s.peerURL
		s.Launch()
		err := s.ready()
		if err == nil {
			return s
		}
		if try == startTries || !s.addressInUse() {
			t.Fatalf("etcdtest: %v", err)
		}
		s.Kill()
		s.Wipe()
	}
}

func newServer(t testing.TB, options Options, name string) *Server {
	t.Helper()
	if options.Version == "" {
		options.Version = V37
	}
	binary, err := Binary(t.Context(), options.Version)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, options: options, name: name, binary: binary, dir: t.TempDir()}
	t.Cleanup(func() {
		if s.process != nil {
			s.process.kill()
		}
		if t.Failed() {
			t.Logf("etcdtest: log of %s (%s):\n%s", s.name, s.client, s.log())
		}
	})
	return s
}

// allocate gives the server new addresses.
func (s *Server) allocate() {
	s.t.Helper()
	host := loopback.Host()
	for _, addr := range []*string{&s.client, &s.peer} {
		free, err := loopback.Addr(s.t.Context(), host)
		if err != nil {
			s.t.Fatal(err)
		}
		*addr = free
	}
	if tls := s.options.TLS; tls != nil {
		s.pair = tls.Authority.Issue(s.t, s.name, host, "localhost")
		s.probe = newProbe(s.Endpoint(), tls.Authority.ClientConfig(s.t, "probe"))
		return
	}
	s.probe = newProbe(s.Endpoint(), nil)
}

// Endpoint returns the URL for clients.
func (s *Server) Endpoint() string {
	if s.options.TLS != nil {
		return "https://" + s.client
	}
	return "http://" + s.client
}

// Endpoints returns the Endpoint as a slice of one, of the caller's own.
func (s *Server) Endpoints() []string { return []string{s.Endpoint()} }

// Addr returns the address for clients, host:port: an upstream for a proxy.
func (s *Server) Addr() string { return s.client }

// KeyPair returns the files of the server's certificate, which etcd reads again
// for each connection. They are empty without TLS.
func (s *Server) KeyPair() KeyPair { return s.pair }

// Running says whether the process is there, paused or not.
func (s *Server) Running() bool { return s.process != nil && s.process.running() }

// Kill ends the server at once (SIGKILL), a paused one too. A server that is
// down stays so.
func (s *Server) Kill() {
	if s.process != nil {
		s.process.kill()
	}
}

// Stop ends the server in good order (SIGTERM), and kills it when it has not
// ended after 10 s. A server that is down stays so.
func (s *Server) Stop() {
	if s.Running() {
		s.process.stop(stopGrace)
	}
}

// Restart ends the server if it runs (Kill), starts it again with the same
// addresses, flags and data, and returns when it answers linearizable reads. For
// a member of a cluster without quorum, use [Server.Launch].
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	s.Launch()
	s.WaitReady()
}

// Launch starts a server that is down and returns at once.
func (s *Server) Launch() {
	s.t.Helper()
	if s.Running() {
		s.t.Fatalf("etcdtest: %s runs already", s.name)
	}
	p, err := launch(s.t.Context(), s.binary, s.args(), s.logFile())
	if err != nil {
		s.t.Fatalf("etcdtest: %v", err)
	}
	s.process = p
}

// WaitReady returns when the server answers a linearizable read, within one
// minute.
func (s *Server) WaitReady() {
	s.t.Helper()
	if err := s.ready(); err != nil {
		s.t.Fatalf("etcdtest: %v", err)
	}
}

// Pause stops the process where it is (SIGSTOP): connections stay open and
// nothing answers. Not on Windows.
func (s *Server) Pause() {
	s.t.Helper()
	s.mustRun("pause")
	if err := s.process.pause(); err != nil {
		s.t.Fatalf("etcdtest: pause %s: %v", s.name, err)
	}
	s.process.paused = true
}

// Resume lets a paused process go on (SIGCONT).
func (s *Server) Resume() {
	s.t.Helper()
	s.mustRun("resume")
	if err := s.process.resume(); err != nil {
		s.t.Fatalf("etcdtest: resume %s: %v", s.name, err)
	}
	s.process.paused = false
}

func (s *Server) mustRun(what string) {
	s.t.Helper()
	if !s.Running() {
		s.t.Fatalf("etcdtest: can't %s %s: it doesn't run", what, s.name)
	}
}

func (s *Server) args() []string {
	args := []string{
		"--name", s.name,
		"--data-dir", s.dataDir(),
		"--listen-client-urls", s.Endpoint(),
		"--advertise-client-urls", s.Endpoint(),
		"--listen-peer-urls", "http://" + s.peer,
		"--initial-advertise-peer-urls", s.peerURL,
		"--initial-cluster", s.members,
		"--initial-cluster-state", "new",
	}
	if tls := s.options.TLS; tls != nil {
		args = append(args, "--cert-file", s.pair.CertFile, "--key-file", s.pair.KeyFile,
			"--trusted-ca-file", tls.Authority.File)
		if tls.RequireClientCert {
			args = append(args, "--client-cert-auth")
		}
	}
	return append(args, s.options.flags()...)
}

func (s *Server) ready() error {
	ctx, cancel := context.WithTimeout(s.t.Context(), readyLimit)
	defer cancel()
	err := s.probe.wait(ctx, s.process.exited)
	if err != nil {
		return fmt.Errorf("etcd %s on %s: %w", s.options.Version, s.client, err)
	}
	return nil
}

func (s *Server) addressInUse() bool {
	return !s.Running() && strings.Contains(s.log(), "address already in use")
}

func (s *Server) dataDir() string { return filepath.Join(s.dir, "data") }
func (s *Server) logFile() string { return filepath.Join(s.dir, "etcd.log") }

func (s *Server) log() string {
	out, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return tail(out, logTail)
}
