package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	httpTimeout = time.Second
	// httpBody is how much of a body is read: enough for a connection to be used
	// again, not enough to be kept busy.
	httpBody = 64 << 10
)

// HTTPOptions refine [HTTP]. The zero value asks with GET and wants a 2xx.
type HTTPOptions struct {
	// Method of the request. Default GET.
	Method string
	// Header is sent along; it is not modified. A Host in it is the host that is asked
	// for. Default none.
	Header http.Header
	// Healthy says which status codes are well. Default: 200 to 299.
	Healthy func(code int) bool
	// Client sends the request. Default: one of the check's own, which follows no
	// redirect, uses no proxy and keeps no connection.
	Client *http.Client
}

// HTTP checks that an address answers. The limit of one run is 1 s unless
// [CheckOptions] say otherwise. It can't be in the group [Live]. Neither user,
// password, path nor query of the address is part of an error.
//
// An address that is none is refused by [Set.Register].
func HTTP(name, address string, opts HTTPOptions) Checker {
	c := &endpoint{name: name, opts: opts}
	if c.opts.Method == "" {
		c.opts.Method = http.MethodGet
	}
	if c.opts.Healthy == nil {
		c.opts.Healthy = func(code int) bool { return code >= 200 && code < 300 }
	}
	if c.opts.Client == nil {
		c.opts.Client = &http.Client{
			// Neither a proxy nor a page to log in at speaks of the address itself.
			Transport:     &http.Transport{DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		c.err = errors.New("its address is not of the form http://host:port/path or https://host/path")
		return c
	}
	c.address, c.host = address, u.Host
	return c
}

type endpoint struct {
	name, address, host string
	opts                HTTPOptions
	err                 error // what is wrong with the address
}

func (e *endpoint) Name() string                  { return e.name }
func (e *endpoint) DefaultTimeout() time.Duration { return httpTimeout }
func (e *endpoint) outside()                      {}
func (e *endpoint) mistake() error                { return e.err }

func (e *endpoint) Check(ctx context.Context) Result {
	req, err := http.NewRequestWithContext(ctx, e.opts.Method, e.address, nil)
	if err != nil {
		return Result{Err: errors.New("the request can't be made; see HTTPOptions.Method")}
	}
	if e.opts.Header != nil {
		req.Header = e.opts.Header.Clone()
		if host := req.Header.Get("Host"); host != "" {
			req.Host = host
		}
	}
	resp, err := e.opts.Client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // without the address, whose path and query may be secret
		}
		return Result{Err: fmt.Errorf("%s %s: %w", e.opts.Method, e.host, err)}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, httpBody))
	_ = resp.Body.Close()
	if !e.opts.Healthy(resp.StatusCode) {
		return Result{Err: fmt.Errorf("%s %s: status %d", e.opts.Method, e.host, resp.StatusCode)}
	}
	return Result{}
}
