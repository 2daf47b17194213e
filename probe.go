package holdfast

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

const (
	// probeTimeout bounds one probe of an instance.
	probeTimeout = time.Second
	// probesAtOnce is how many instances of a service are probed side by side.
	probesAtOnce = 16
)

// Probe asks an instance directly whether it lives, not the registry: nil is that it
// does. It is given a second, may be called from many goroutines at once, and must
// not keep the instance. [Connect] is the default.
type Probe func(ctx context.Context, in *core.Instance) error

// Connect is the Probe that opens a TCP connection to the main endpoint and closes
// it. An instance whose endpoint has neither a port nor a scheme with one of its own
// (http, https) fails with [core.ErrInvalid].
func Connect(ctx context.Context, in *core.Instance) error {
	endpoint, _ := in.Endpoint("")
	u, err := url.Parse(endpoint)
	port := ""
	if err == nil {
		port = cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	if port == "" {
		return fmt.Errorf("probe of %q: %w: its endpoint %q has no host:port", in.ID, core.ErrInvalid, endpoint)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return fmt.Errorf("probe of %q: %w: %w", in.ID, core.ErrUnavailable, err)
	}
	return conn.Close()
}

// ask runs a probe within its time. A panic of the user's counts as no answer.
func (p Probe) ask(ctx context.Context, in *core.Instance) (err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("probe of %q panicked: %v", in.ID, v)
		}
	}()
	return p(ctx, in)
}

// askAll asks many, so many at once and so many a second at most, and returns what
// each answered.
func (p Probe) askAll(ctx context.Context, all []*core.Instance) []error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	places := make(chan struct{}, probesAtOnce)
	for i, in := range all {
		places <- struct{}{}
		if i > 0 && !pause(ctx, time.Second/probesPerSecond) {
			errs[i] = context.Cause(ctx)
			<-places
			continue
		}
		wg.Go(func() {
			defer func() { <-places }()
			errs[i] = p.ask(ctx, in)
		})
	}
	wg.Wait()
	return errs
}
