package holdfast

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/policy"
)

// TransportOptions configures [NewTransport]. The zero value works.
type TransportOptions struct {
	// Picker says how an instance is chosen for a request. Default: LeastLoaded over
	// all instances. To choose round robin, set PickEvenly.
	Picker PickerOptions
	// PickEvenly makes a Picker.Strategy of RoundRobin, the zero value, mean what it
	// says. Default: it means LeastLoaded.
	PickEvenly bool
	// Tries is how many instances one request may reach, 1 to 10; those that can't be
	// connected to don't count, up to 10 of both. Default: 3.
	Tries int
	// TryTimeout is how long an instance may take to send the header of a response to
	// a request that may be sent to another one. Default: the time that the request's
	// deadline leaves, divided by the tries that are left; without a deadline, no
	// bound.
	TryTimeout time.Duration
	// Budget bounds the tries after one that reached an instance, of all requests
	// together. Default: one of its own: a fifth of the requests, and ten a second.
	Budget *policy.RetryBudget
}

const mostTries = 10

// Transport returns a transport that sends requests for http://inventory/items to an
// instance of the service "inventory". It is [NewTransport] without options:
//
//	svc.Endpoints("inventory")
//	client := &http.Client{Transport: holdfast.Transport(svc, nil), Timeout: 5 * time.Second}
//	resp, err := client.Get("http://inventory/items")
func Transport(svc *Service, next http.RoundTripper) http.RoundTripper {
	t, err := NewTransport(svc, next, TransportOptions{})
	if err != nil {
		return failing{err}
	}
	return t
}

// failing answers every request with an error: a program's mistake that shows at the
// first use.
type failing struct{ err error }

func (f failing) RoundTrip(req *http.Request) (*http.Response, error) {
	closeBody(req)
	return nil, f.err
}

// NewTransport returns a transport that finds services by name; next sends the
// requests, http.DefaultTransport if it is nil. It fails with [core.ErrInvalid] if svc
// is nil or an option out of its bounds.
//
// # Who is asked
//
// The host of a URL is the name of a service if [Service.Endpoints] was called with
// it: only then is it watched, so that no request can make the process watch what it
// likes. Another host with a dot, a port or the name localhost goes to next as it is;
// a bare name that is no such service is an error at once. The scheme picks among an
// instance's endpoints: https is sent to its first one of https.
//
// The header Host stays the name of the service. With https and an instance known by
// its IP address, the name that its certificate must have is the service's too, if
// next is an [http.Transport] that names none of its own; other transports go by the
// address.
//
// # What is sent again
//
// A request that failed is sent to another instance, never the same one, while tries,
// budget and deadline last, and if that is safe: if its method is idempotent (GET,
// HEAD, OPTIONS, TRACE, PUT, DELETE) or it has an Idempotency-Key; any other only if no
// connection was made. A body must be one that http.Request.GetBody can make anew. A
// response 502, 503 or 504 is a failure as well; the last one is handed to the caller.
//
// Failures are told to [Picked.Done], so that they eject instances; so does reading a
// response that breaks off.
//
// # When there is nobody
//
// The error is of kind [ErrNoInstance] at once, and names the service, the level and
// the age of what is known. It is safe for concurrent use, and so works above and
// below other transports. Its CloseIdleConnections calls those of next.
func NewTransport(svc *Service, next http.RoundTripper, opts TransportOptions) (http.RoundTripper, error) {
	if svc == nil {
		return nil, fmt.Errorf("holdfast: transport: %w: the service is nil; make one with Start", core.ErrInvalid)
	}
	if opts.Tries < 0 || opts.Tries > mostTries {
		return nil, fmt.Errorf("holdfast: transport: %w: Tries is %d; give 1 to %d", core.ErrInvalid, opts.Tries, mostTries)
	}
	if opts.TryTimeout < 0 {
		return nil, fmt.Errorf("holdfast: transport: %w: TryTimeout is %v; give a positive one", core.ErrInvalid, opts.TryTimeout)
	}
	if err := opts.Picker.check(); err != nil {
		return nil, fmt.Errorf("holdfast: transport: %w", err)
	}
	opts.Tries = cmp.Or(opts.Tries, 3)
	if opts.Picker.Strategy == RoundRobin && !opts.PickEvenly {
		opts.Picker.Strategy = LeastLoaded
	}
	if opts.Budget == nil {
		opts.Budget = &policy.RetryBudget{MinPerSecond: 10}
	}
	if next == nil {
		next = http.DefaultTransport
	}
	return &transport{svc: svc, next: next, opts: opts}, nil
}

type transport struct {
	svc          *Service
	next         http.RoundTripper
	opts         TransportOptions
	destinations sync.Map // host -> *destination
}

// destination is one service that requests were sent to.
type destination struct {
	service string
	picker  *Picker
	named   func() http.RoundTripper // next, for certificates of the service's name
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	d, err := t.destination(req.URL)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	if d == nil {
		return t.next.RoundTrip(req)
	}
	return t.send(d, req)
}

// destination returns the service that a URL names, nil if it is for next.
func (t *transport) destination(u *url.URL) (*destination, error) {
	if u == nil {
		return nil, nil //nolint:nilnil // next says what is wrong
	}
	if d, ok := t.destinations.Load(u.Host); ok {
		return d.(*destination), nil
	}
	e := t.svc.discovery.known(u.Host)
	if e == nil {
		if bare(u.Host) {
			return nil, fmt.Errorf("holdfast: transport: %w: %q is no service that was asked for; call svc.Endpoints(%q) once at the start", core.ErrInvalid, u.Host, u.Host)
		}
		return nil, nil //nolint:nilnil // the host is for next
	}
	p, err := e.Picker(t.opts.Picker)
	if err != nil {
		return nil, err
	}
	d, _ := t.destinations.LoadOrStore(u.Host, &destination{service: u.Host, picker: p, named: sync.OnceValue(func() http.RoundTripper {
		return withServerName(t.next, u.Host)
	})})
	return d.(*destination), nil
}

// bare reports whether a host can only be the name of a service.
func bare(host string) bool { return host != "localhost" && !strings.ContainsAny(host, ".:") }

// withServerName is a transport that asks for certificates of a name.
func withServerName(next http.RoundTripper, name string) http.RoundTripper {
	h, ok := next.(*http.Transport)
	if !ok || h.TLSClientConfig != nil && h.TLSClientConfig.ServerName != "" {
		return next
	}
	h = h.Clone()
	if h.TLSClientConfig == nil {
		h.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	h.TLSClientConfig.ServerName = name
	return h
}

// through returns what sends a request to an address of a service.
func (t *transport) through(d *destination, scheme, host string) http.RoundTripper {
	if scheme != "https" {
		return t.next
	}
	if _, err := netip.ParseAddrPort(host); err != nil {
		return t.next
	}
	return d.named()
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (t *transport) CloseIdleConnections() {
	closeIdle(t.next)
	t.destinations.Range(func(_, d any) bool {
		if named := d.(*destination).named(); named != t.next {
			closeIdle(named)
		}
		return true
	})
}

func closeIdle(rt http.RoundTripper) {
	if c, ok := rt.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// known returns the handle of a service that was asked for before, nil if it was not.
func (d *Discovery) known(service string) *Endpoints {
	if d == nil {
		return nil
	}
	if e, ok := d.services.Load(service); ok {
		return e.(*Endpoints)
	}
	return nil
}

var (
	errTryTimeout = fmt.Errorf("%w: no response in the time of one try", core.ErrUnavailable)
	errNoEndpoint = fmt.Errorf("%w: the instance has no endpoint of this scheme", core.ErrInvalid)
	errGateway    = fmt.Errorf("%w: the instance answered that it can't serve", core.ErrUnavailable)
)
