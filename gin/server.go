package holdfastgin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

type lifecycleKey struct{}

// lifecycleOf returns the Lifecycle of the server that a request came in by, nil
// if that has none.
func lifecycleOf(ctx context.Context) *Lifecycle {
	l, _ := ctx.Value(lifecycleKey{}).(*Lifecycle)
	return l
}

// The causes of the contexts that the end of a process cancels.
var (
	errStreamsEnd  = errors.New("holdfastgin: the server stops, streams end")
	errRequestsEnd = errors.New("holdfastgin: the server stops, the time for requests is nearly over")
)

// Attach makes a server part of this life; call it once, before the server
// serves. From then on its requests' contexts are cancelled when their time is
// over (those of streams as soon as nothing new is accepted), its connections are
// not kept alive while the process drains, and the handlers of [Mount] find the
// life by themselves. A BaseContext and a Handler that the server has already
// are kept and wrapped; a nil Handler is http.DefaultServeMux, as ever.
func (l *Lifecycle) Attach(server *http.Server) {
	base := server.BaseContext
	server.BaseContext = func(ln net.Listener) context.Context {
		ctx := context.Background()
		if base != nil {
			ctx = base(ln)
		}
		return context.WithValue(endedBy(ctx, l.requests), lifecycleKey{}, l)
	}
	handler := server.Handler
	if handler == nil {
		handler = http.DefaultServeMux
	}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.leaving.Load() {
			// A connection that is kept would be closed at the very moment in which a
			// client may send its next request by it.
			w.Header().Set("Connection", "close")
		}
		if streams(r) {
			ctx, cancel := l.streamContext(r.Context())
			defer cancel()
			given := r
			r = r.WithContext(ctx)
			defer keepForm(r, given)
		}
		handler.ServeHTTP(w, r)
	})
	// A stream that ended before the listener is closed would come right back.
	server.RegisterOnShutdown(func() { l.streams.cancel(errStreamsEnd) })
}

// own makes every Stop end the server, given to it or not.
func (l *Lifecycle) own(server *http.Server) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.served = server
}

// endedBy returns ctx, which ends with s too.
func endedBy(ctx context.Context, s signal) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	context.AfterFunc(s, func() { cancel(context.Cause(s)) })
	return ctx
}

// stopServers ends streams, awaits requests, and cuts off what is left.
func (l *Lifecycle) stopServers(ctx context.Context, servers []*http.Server) error {
	deadline, _ := ctx.Deadline()
	soft := time.AfterFunc(time.Until(deadline)*2/3, func() { l.requests.cancel(errRequestsEnd) })
	defer soft.Stop()
	defer context.AfterFunc(l.hurry, func() { l.requests.cancel(errRequestsEnd) })() //nolint:contextcheck // the hurry of a second signal is no child of ctx
	errs := make([]error, len(servers))
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() {
			if err := s.Shutdown(ctx); err != nil {
				errs[i] = errors.Join(fmt.Errorf("requests that still ran were cut off: %w", err), s.Close())
			}
		})
	}
	wg.Wait()
	l.streams.cancel(errStreamsEnd)
	l.requests.cancel(errRequestsEnd)
	return errors.Join(errs...)
}
