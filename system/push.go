package system

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

const (
	backoffBase = time.Second
	answerBytes = 4 << 10 // of an answer are read, so that its connection can be used again
)

// pusher sends the newest sample to a collector. It has a goroutine of its own:
// however slow the collector is, the next sample is taken in time.
type pusher struct {
	opts   PushOptions
	log    *slog.Logger
	client *http.Client
	own    *http.Transport // nil if the client is the program's
	host   string
	fresh  chan struct{} // holds one while there is a sample that may be new
	over   chan struct{}
	stats  atomic.Pointer[PushStats] // never nil
}

func newPusher(opts PushOptions, log *slog.Logger) *pusher {
	p := &pusher{opts: opts, log: log, fresh: make(chan struct{}, 1), over: make(chan struct{})}
	p.stats.Store(&PushStats{})
	if u, err := url.Parse(opts.URL); err == nil {
		p.host = u.Host
	}
	client := http.Client{}
	if opts.Client != nil {
		client = *opts.Client
	} else {
		p.own = &http.Transport{MaxIdleConns: 1, IdleConnTimeout: 2 * time.Minute, ForceAttemptHTTP2: true}
		client.Transport = p.own
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p.client = &client
	return p
}

// wake says that there is a new sample. It never waits.
func (p *pusher) wake() {
	select {
	case p.fresh <- struct{}{}:
	default:
	}
}

// run sends samples until ctx ends.
func (p *pusher) run(ctx context.Context, newest func() *Sample) {
	defer close(p.over)
	if p.own != nil {
		defer p.own.CloseIdleConnections()
	}
	var sent *Sample
	for {
		select {
		case <-p.fresh:
		case <-ctx.Done():
			return
		}
		// Samples are not taken to the millisecond: one that is a little early is due.
		if s := newest(); s == sent || sent != nil && s.TakenAt.Sub(sent.TakenAt) < p.opts.Interval*9/10 {
			continue
		}
		for failures := 0; ; failures++ {
			s := newest()
			err := p.push(ctx, s)
			if ctx.Err() != nil {
				return
			}
			p.note(err)
			if err == nil {
				sent = s
				break
			}
			if !sleep(ctx, p.backoff(err, failures)) {
				return
			}
		}
	}
}

// refused is an answer other than 2xx.
type refused struct {
	code  int
	after time.Duration // Retry-After; 0 is none
}

func (r *refused) Error() string { return fmt.Sprintf("status %d", r.code) }

// Unwrap is the kind of error.
func (r *refused) Unwrap() error {
	switch {
	case r.code == http.StatusTooManyRequests:
		return core.ErrThrottled
	case r.code == http.StatusRequestTimeout || r.code >= 500:
		return core.ErrUnavailable
	}
	return core.ErrDenied // a redirect too: somebody has to correct the address
}

// push makes one request.
func (p *pusher) push(ctx context.Context, s *Sample) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.opts.Timeout, fmt.Errorf("no answer within %v: %w", p.opts.Timeout, context.DeadlineExceeded))
	defer cancel()
	body, err := s.document(p.opts.Labels)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", p.host, core.ErrInvalid, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.opts.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w: the request can't be made", p.host, core.ErrInvalid)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "holdfast")
	resp, err := p.client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // without the address, whose path and query may be secret
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("%s: %w: %w", p.host, core.ErrUnavailable, err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, answerBytes))
	_ = resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("%s: %w", p.host, &refused{resp.StatusCode, retryAfter(resp.Header.Get("Retry-After"))})
	}
	return nil
}

// note counts, and logs a change.
func (p *pusher) note(err error) {
	last := p.stats.Load()
	now := *last
	now.Err = err
	if err == nil {
		now.Sent++
		now.LastSent = time.Now()
	} else {
		now.Failed++
	}
	p.stats.Store(&now)
	switch {
	case err != nil && last.Err == nil:
		p.log.Warn("holdfast: system: the collector takes no samples", "error", err)
	case err == nil && last.Err != nil:
		p.log.Info("holdfast: system: the collector takes samples again", "collector", p.host, "failures", now.Failed)
	}
}

// backoff is the wait after a failure: at least what the collector asks for, and
// never the same for all who heard it.
func (p *pusher) backoff(err error, failures int) time.Duration {
	wait := min(backoffBase, p.opts.MaxBackoff)
	for range failures {
		if wait >= p.opts.MaxBackoff {
			break
		}
		wait = min(2*wait, p.opts.MaxBackoff)
	}
	r, answered := errors.AsType[*refused](err)
	if answered && errors.Is(err, core.ErrDenied) {
		wait = p.opts.MaxBackoff // until a person acts
	}
	wait = wait/2 + rand.N(wait/2+1)
	if answered && r.after > 0 {
		after := min(r.after, p.opts.MaxBackoff)
		wait = max(wait, after+rand.N(after/4+1))
	}
	return wait
}

// retryAfter reads the header: seconds, or a date.
func retryAfter(header string) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// sleep waits, and reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
