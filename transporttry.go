package holdfast

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// How much of a body that nobody wants is read so that its connection lives on.
const (
	drainBytes = 64 << 10
	drainTime  = 100 * time.Millisecond
)

// delivery is one request on its way to a service.
type delivery struct {
	*transport
	to     *destination
	req    *http.Request
	rewind bool // its body can be made anew
	safe   bool // it may be sent again whatever became of it
	tried  [mostTries]Picked
	sent   int  // to so many of tried
	spent  int  // of the tries: those that reached an instance
	handed bool // the request's own body was handed to next, which closes it
}

// send tries one instance after another.
func (t *transport) send(to *destination, req *http.Request) (*http.Response, error) {
	x := delivery{transport: t, to: to, req: req}
	x.rewind = req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
	x.safe = x.rewind && (idempotent(req.Method) || req.Header.Get("Idempotency-Key") != "" || req.Header.Get("X-Idempotency-Key") != "")
	t.opts.Budget.Deposit()
	var resp *http.Response
	var err error
	for {
		picked, none := to.picker.pickExcept(req.Context(), req.URL.Scheme, x.tried[:x.sent])
		if none != nil && x.sent == 0 {
			picked, none = to.picker.Pick(req.Context()) // to say of whom that is
		}
		if none != nil {
			if x.sent == 0 {
				err = none
			}
			return x.last(resp, err) // nobody else: the last failure says more
		}
		x.tried[x.sent] = picked
		x.sent++
		if resp != nil {
			discard(resp)
		}
		var again bool
		if resp, err, again = x.try(picked); !again { //nolint:contextcheck // each try's ctx is made of the request's
			return x.last(resp, err)
		}
		if !unconnected(err) {
			x.spent++
		}
		if req.Context().Err() != nil || x.sent == mostTries {
			return x.last(resp, err)
		}
		// Who can't be connected to costs nobody anything.
		if !unconnected(err) && (x.spent == t.opts.Tries || !t.opts.Budget.Withdraw()) {
			return x.last(resp, err)
		}
	}
}

// last is what the caller gets. A body that nobody was handed is closed, as every
// RoundTripper does.
func (x *delivery) last(resp *http.Response, err error) (*http.Response, error) {
	if !x.handed {
		closeBody(x.req)
	}
	return resp, err
}

// try sends the request to one instance; again says that it failed and may be sent to
// another one.
func (x *delivery) try(picked Picked) (resp *http.Response, err error, again bool) {
	scheme := x.req.URL.Scheme
	host := address(picked.Instance(), scheme)
	if host == "" {
		picked.Done(nil) // its deployment is to blame, not its health
		return nil, fmt.Errorf("holdfast: transport: %s of %q: %w: %q", picked.Instance().ID, x.to.service, errNoEndpoint, scheme), true
	}
	out, stop, err := x.request(host)
	if err != nil {
		picked.Done(nil)
		return nil, err, false
	}
	resp, err = x.through(x.to, scheme, out.URL.Host).RoundTrip(out)
	if late := stop.header(); late != nil && err == nil {
		discard(resp)
		resp, err = nil, late
	} else if late != nil {
		err = late
	}
	if err == nil {
		resp.Request = x.req // whose URL what is relative in the response is relative to
	}
	ctx := x.req.Context()
	switch {
	case err != nil:
		stop.end()
		if ctx.Err() != nil {
			picked.Done(ctx.Err()) // the cause may be anything, such as a failure of another service
			return nil, err, false
		}
		if malformed(x.req) {
			picked.undo()
			return nil, err, false
		}
		picked.Done(err)
		return nil, err, x.safe || x.rewind && unconnected(err)
	case gateway(resp.StatusCode):
		picked.Done(errGateway)
		wrap(ctx, resp, Picked{}, stop)
		return resp, nil, x.safe
	}
	wrap(ctx, resp, picked, stop)
	return resp, nil, false
}

// address returns host:port of an instance's endpoint of a scheme; "" if it has none.
func address(in *core.Instance, scheme string) string {
	endpoint, ok := in.Endpoint(scheme)
	if !ok || scheme == "" {
		return ""
	}
	host, _, _ := strings.Cut(endpoint[len(scheme)+len("://"):], "/")
	return host
}

// request makes the request of one try.
func (x *delivery) request(host string) (*http.Request, *tryTimer, error) {
	ctx, stop := x.bound()
	out := x.req.WithContext(ctx)
	u := *x.req.URL
	u.Host = host
	out.URL = &u
	if out.Host == "" {
		out.Host = x.req.URL.Host
	}
	if x.handed && x.req.GetBody != nil {
		body, err := x.req.GetBody()
		if err != nil {
			stop.end()
			return nil, nil, err
		}
		out.Body = body
	}
	x.handed = true
	return out, stop, nil
}

// bound gives a try its time, if there may be another one after it.
func (x *delivery) bound() (context.Context, *tryTimer) {
	ctx := x.req.Context()
	left := min(x.opts.Tries-x.spent-1, x.to.picker.choice()-x.sent)
	if !x.safe || left <= 0 {
		return ctx, nil
	}
	d := x.opts.TryTimeout
	if deadline, ok := ctx.Deadline(); ok && d == 0 {
		d = time.Until(deadline) / time.Duration(left+1)
	}
	if d <= 0 {
		return ctx, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	t := &tryTimer{cancel: cancel}
	t.timer = time.AfterFunc(d, t.expire)
	return ctx, t
}

// tryTimer ends a try whose header does not come; nil bounds nothing.
type tryTimer struct {
	timer   *time.Timer
	settled atomic.Bool // in time or too late, whichever came first
	cancel  context.CancelCauseFunc
}

// expire ends the try, unless its header is there.
func (t *tryTimer) expire() {
	if !t.settled.Swap(true) {
		t.cancel(errTryTimeout)
	}
}

// header ends the time: from now on the body may take what it needs. It returns why
// that is too late.
func (t *tryTimer) header() error {
	if t == nil {
		return nil
	}
	t.timer.Stop()
	if t.settled.Swap(true) {
		return errTryTimeout
	}
	return nil
}

// end releases the ctx of the try.
func (t *tryTimer) end() {
	if t != nil {
		t.timer.Stop()
		t.cancel(nil)
	}
}

// reply is the body of a response, which tells the picker how the request ended.
type reply struct {
	io.ReadCloser
	ctx    context.Context // of the caller
	picked Picked
	stop   *tryTimer
	over   atomic.Bool
}

func (r *reply) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil {
		r.done(err)
	}
	return n, err
}

func (r *reply) Close() error {
	err := r.ReadCloser.Close()
	r.done(nil)
	return err
}

func (r *reply) done(err error) {
	if r.over.Swap(true) {
		return
	}
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	if err != nil && r.ctx.Err() != nil {
		err = r.ctx.Err()
	}
	r.picked.Done(err)
	r.stop.end()
}

// upgraded is the body of a response to an upgrade: a connection.
type upgraded struct {
	*reply
	io.Writer
}

// wrap makes the body of a response end the request.
func wrap(ctx context.Context, resp *http.Response, picked Picked, stop *tryTimer) {
	if resp.Body == nil || resp.Body == http.NoBody {
		picked.Done(nil)
		stop.end()
		return
	}
	r := &reply{ReadCloser: resp.Body, ctx: ctx, picked: picked, stop: stop}
	if w, ok := resp.Body.(io.Writer); ok && resp.StatusCode == http.StatusSwitchingProtocols {
		resp.Body = upgraded{r, w}
		return
	}
	resp.Body = r
}

// discard reads a little of a body that nobody wants, and closes it.
func discard(resp *http.Response) {
	if resp.Body == nil {
		return
	}
	hurry := time.AfterFunc(drainTime, func() { _ = resp.Body.Close() })
	defer hurry.Stop()
	_, _ = io.CopyN(io.Discard, resp.Body, drainBytes)
	_ = resp.Body.Close()
}

func idempotent(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// malformed reports whether no transport sends such a request, to whomever: its method
// or a header has bytes that HTTP does not allow.
func malformed(req *http.Request) bool {
	notInToken := func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune("()<>@,;:\\\"/[]?={}", c)
	}
	notInValue := func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }
	if req.Header == nil || strings.ContainsFunc(req.Method, notInToken) {
		return true
	}
	for name, values := range req.Header {
		if name == "" || strings.ContainsFunc(name, notInToken) || slices.ContainsFunc(values, func(v string) bool { return strings.ContainsFunc(v, notInValue) }) {
			return true
		}
	}
	return false
}

// gateway reports whether a status says that somebody else may serve.
func gateway(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// unconnected reports whether no connection was made, so that nothing can have come
// of the request.
func unconnected(err error) bool {
	if err == nil || errors.Is(err, errNoEndpoint) {
		return err != nil
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}
