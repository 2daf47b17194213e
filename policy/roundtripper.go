package policy

import (
	"context"
	"errors"
	"net/http"
)

// RoundTripper returns a transport that sends each request through a chain, for
// the [http.Client] of an application; next is what sends it, and
// http.DefaultTransport if it is nil:
//
//	client := &http.Client{Transport: policy.RoundTripper(chain, nil)}
//
// # What is a failure
//
// An error of next, and a response with a status of 5xx ([core.ErrUnavailable])
// or 429 ([core.ErrThrottled]): retry and breaker count them. If the chain ends
// with such a response, the caller gets the response, not an error, with its body
// unread; when a breaker refuses a retry, that is the response before. A call
// that was never made is an error that wraps [ErrOpen], [ErrFull] or
// [ErrLimited].
//
// # What is sent again
//
// Whatever the chain says, only what is safe: requests whose method is idempotent
// (GET, HEAD, OPTIONS, TRACE, PUT, DELETE) or which carry an Idempotency-Key
// header, if they have no body or Request.GetBody makes it anew; http.NewRequest
// provides that for bodies in memory. Other requests are sent again only if
// nothing can have come of them, because no connection was made or because the
// status was 429, and if their body can be made anew. A [Hedge] sends the second
// copy of an unsafe request only after the first one came to nothing in that way.
//
// Retry-After, in seconds or as a date, is how long [Retry] waits; a response
// that asks for more than Retry.MaxDelay is handed to the caller at once.
//
// # Time
//
// A [Timeout] of the chain lasts until the header of a response has come. It does
// not cut the reading of the body, which the caller does later: that is bound by
// the ctx of the request, or by http.Client.Timeout. The ctx that next sees is
// that of the request and ends with the timeout, too, but shows no deadline of it.
//
// The body of a response that is given up is read up to 64 KiB and for 100 ms, so
// that its connection can be used again, and is closed.
//
// The transport is safe for concurrent use if next is. Its CloseIdleConnections
// calls that of next.
func RoundTripper(chain *Chain, next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return &roundTripper{chain: chain, next: next}
}

type roundTripper struct {
	chain *Chain
	next  http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t *roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	x := newExchange(t.next, req)
	defer x.giveUp() // what a panic leaves open
	resp, err := Call(req.Context(), t.chain, x.try)
	return x.settle(resp, err)
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (t *roundTripper) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// settle ends an exchange: it returns what the caller gets, and gives up the rest.
func (x *exchange) settle(resp *http.Response, err error) (*http.Response, error) {
	if err == nil {
		x.take(resp)
		return resp, nil
	}
	if _, ok := errors.AsType[*statusError](err); ok && x.req.Context().Err() == nil {
		if last := x.last(); last != nil {
			x.take(last)
			return last, nil
		}
	}
	if u, ok := err.(*unrepeatable); ok { //nolint:errorlint // the outermost only: it was for the chain
		err = u.error
	}
	return nil, err
}

// errSettled ends tries that nobody waits for any more.
var errSettled error = &sentinel{"policy: the request was answered by another try", []error{context.Canceled}}
