package policy

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"sync"
	"time"
)

// How much of a body that nobody wants is read so that its connection lives on.
const (
	drainBytes = 64 << 10
	drainTime  = 100 * time.Millisecond
)

// exchange is one request on its way through a chain, and all that was answered.
type exchange struct {
	next   http.RoundTripper
	req    *http.Request
	safe   bool          // may be sent again whatever became of it
	rewind bool          // its body can be made anew
	turn   chan struct{} // of capacity 1, held by a try of a request that is not safe

	mu      sync.Mutex
	settled bool
	sent    int
	failure error                      // of the try that ended last
	kept    *http.Response             // its response, if its status was the failure
	open    map[*http.Response]*answer // all whose bodies are open, kept among them
}

// answer is the body of a response with the ctx of its try, which must last as
// long as somebody reads.
type answer struct {
	io.ReadCloser
	end context.CancelFunc
}

func (a *answer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if err != nil {
		a.end()
	}
	return n, err
}

func (a *answer) Close() error {
	defer a.end()
	return a.ReadCloser.Close()
}

// discard reads a little and closes.
func (a *answer) discard() {
	hurry := time.AfterFunc(drainTime, a.end)
	defer hurry.Stop()
	_, _ = io.CopyN(io.Discard, a.ReadCloser, drainBytes)
	_ = a.Close()
}

// switched is the body of a response to an upgrade: a connection.
type switched struct {
	*answer
	io.Writer
}

// unrepeatable is the failure of a request that must not be sent again. It tells
// a [Retry] to come back after the end of days.
type unrepeatable struct{ error }

func (e *unrepeatable) Unwrap() error             { return e.error }
func (e *unrepeatable) RetryAfter() time.Duration { return math.MaxInt64 }

func newExchange(next http.RoundTripper, req *http.Request) *exchange {
	x := &exchange{next: next, req: req, turn: make(chan struct{}, 1), open: make(map[*http.Response]*answer)}
	x.rewind = req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
	x.safe = x.rewind && (idempotent(req.Method) || req.Header.Get("Idempotency-Key") != "" || req.Header.Get("X-Idempotency-Key") != "")
	return x
}

func idempotent(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// try sends the request once.
func (x *exchange) try(ctx context.Context) (*http.Response, error) {
	if !x.safe {
		select {
		case x.turn <- struct{}{}:
			defer func() { <-x.turn }()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	req, err := x.begin() //nolint:contextcheck // the ctx of the request: that of the try ends before the body is read
	if err != nil {
		return nil, err
	}
	own, cancel := context.WithCancelCause(x.req.Context())
	end := func() { cancel(nil) }
	detach := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	resp, err := x.next.RoundTrip(req.WithContext(own)) //nolint:contextcheck // as above; it ends with ctx until the header has come
	if err != nil {
		detach()
		end()
		return nil, x.failed(nil, nil, err)
	}
	a := wrap(resp, end)
	if !detach() {
		// The time was up in the moment the header came: ctx has cut the body.
		a.discard()
		return nil, x.failed(nil, nil, context.Cause(ctx))
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError {
		return nil, x.failed(resp, a, newStatusError(resp))
	}
	return resp, x.answered(resp, a)
}

// begin returns the request of the next try, or why there must not be one.
func (x *exchange) begin() (*http.Request, error) {
	x.mu.Lock()
	first, err := x.count()
	var stale *answer
	if err == nil && x.kept != nil {
		stale = x.open[x.kept]
		delete(x.open, x.kept)
		x.kept = nil
	}
	x.mu.Unlock()
	if stale != nil {
		stale.discard()
	}
	if first || err != nil {
		return x.req, err
	}
	again := x.req.WithContext(x.req.Context())
	if x.req.GetBody != nil {
		if again.Body, err = x.req.GetBody(); err != nil {
			return nil, &unrepeatable{err}
		}
	}
	return again, nil
}

// count counts a try that begins, or says why it must not. The caller holds x.mu.
func (x *exchange) count() (first bool, err error) {
	switch {
	case x.settled, x.sent > 0 && !x.safe && x.failure == nil: // answered, or panicked
		return false, errSettled
	case x.sent > 0 && x.final(x.failure):
		return false, &unrepeatable{x.failure}
	}
	x.sent++
	return x.sent == 1, nil
}

// final reports whether the request must not be sent again after err.
func (x *exchange) final(err error) bool { return !x.safe && (!x.rewind || !untouched(err)) }

// failed notes how a try failed, with its response if there is one, and returns
// the error for the chain.
func (x *exchange) failed(resp *http.Response, a *answer, err error) error {
	x.mu.Lock()
	x.failure = err
	stale := a
	if resp != nil && !x.settled {
		stale = x.open[x.kept] // of a hedge beside this one, if there is one
		delete(x.open, x.kept)
		x.kept, x.open[resp] = resp, a
	}
	x.mu.Unlock()
	if stale != nil {
		stale.discard()
	}
	if x.final(err) {
		return &unrepeatable{err}
	}
	return err
}

// answered notes the response of a try that succeeded.
func (x *exchange) answered(resp *http.Response, a *answer) error {
	x.mu.Lock()
	x.failure = nil
	settled := x.settled
	if !settled {
		x.open[resp] = a
	}
	x.mu.Unlock()
	if settled {
		a.discard() // another try was faster
		return errSettled
	}
	return nil
}

// last returns the response of the newest try that failed with one.
func (x *exchange) last() *http.Response {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.kept
}

// take hands a response to the caller.
func (x *exchange) take(resp *http.Response) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.settled = true
	delete(x.open, resp)
}

// giveUp ends what was not handed to the caller.
func (x *exchange) giveUp() {
	x.mu.Lock()
	x.settled = true
	open, sent := x.open, x.sent
	x.open, x.kept = nil, nil
	x.mu.Unlock()
	for _, a := range open {
		a.discard()
	}
	if sent == 0 && x.req.Body != nil {
		_ = x.req.Body.Close() // as every RoundTripper does, sent or not
	}
}

// untouched reports whether nothing can have come of a request that failed.
func untouched(err error) bool {
	if s, ok := errors.AsType[*statusError](err); ok {
		return s.status == http.StatusTooManyRequests
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// wrap makes the body of a response end the ctx of its try.
func wrap(resp *http.Response, end context.CancelFunc) *answer {
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	a := &answer{ReadCloser: resp.Body, end: end}
	w, isConn := resp.Body.(io.Writer)
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols && isConn:
		resp.Body = switched{answer: a, Writer: w}
	case resp.Body == http.NoBody:
		end()
	default:
		resp.Body = a
	}
	return a
}
