package outagetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The load of a shop.
const (
	customers  = 6
	orderEvery = 20 * time.Millisecond
	orderLimit = 5 * time.Second
	listeners  = 6 // to server-sent events
)

// shop is a service that sends orders to instances it finds by name, and listens
// to their events.
type shop struct {
	*node
	client *http.Client
	tries  int // how many instances one order may be sent to
	stop   context.CancelFunc
	wg     sync.WaitGroup

	orders, failed, again     atomic.Int64
	streams, events, cut, bad atomic.Int64
	mu                        sync.Mutex
	first                     error
}

// openShop begins the load. With one try only, an order fails with the first
// instance that doesn't answer it.
func openShop(t *testing.T, n *node, tries int) *shop {
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	s := &shop{node: n, tries: tries, stop: stop, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: customers}}}
	t.Cleanup(s.close)
	for i := range customers {
		method := http.MethodGet
		if tries == 1 && i%2 == 0 {
			method = http.MethodPost // with tries it must be safe to send again
		}
		s.wg.Go(func() { s.order(ctx, method) })
	}
	for range listeners {
		s.wg.Go(func() { s.listen(ctx) })
	}
	return s
}

// close ends the load and awaits the last answers.
func (s *shop) close() {
	s.stop()
	s.wg.Wait()
	s.client.CloseIdleConnections()
}

func (s *shop) complain(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == nil {
		s.first = err
	}
}

// order is one customer.
func (s *shop) order(ctx context.Context, method string) {
	tick := time.NewTicker(orderEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		s.orders.Add(1)
		if err := s.one(context.WithoutCancel(ctx), method); err != nil {
			s.failed.Add(1)
			s.complain(err)
		}
	}
}

func (s *shop) one(ctx context.Context, method string) error {
	ctx, cancel := context.WithTimeout(ctx, orderLimit)
	defer cancel()
	var errs []error
	for try := range s.tries {
		if try > 0 {
			s.again.Add(1)
		}
		p, err := s.peers.Pick(ctx)
		if err != nil {
			return err
		}
		code, body, err := fetch(ctx, s.client, method, p.Instance().Endpoints[0]+"/order")
		p.Done(err)
		var o order
		switch {
		case err != nil:
			errs = append(errs, err)
			continue
		case code != http.StatusOK || json.Unmarshal([]byte(body), &o) != nil || o.Items != firstItems:
			return fmt.Errorf("%s answered %d %q", p.Instance().ID, code, body)
		}
		return nil
	}
	return errors.Join(errs...)
}

// listen is one listener to events, who connects again when a stream ends, to
// whichever instance is next. A stream may end, but not be cut.
func (s *shop) listen(ctx context.Context) {
	for ctx.Err() == nil {
		p, err := s.peers.Pick(ctx)
		if err != nil {
			s.bad.Add(1)
			s.complain(err)
			return
		}
		err = s.stream(ctx, p.Instance().Endpoints[0]+"/events")
		p.Done(err)
		var dial *net.OpError
		switch {
		case ctx.Err() != nil || err == nil:
		case s.tries > 1 && errors.As(err, &dial) && dial.Op == "dial":
			s.again.Add(1)
		default:
			s.cut.Add(1)
			s.complain(fmt.Errorf("events of %s: %w", p.Instance().ID, err))
		}
	}
}

func (s *shop) stream(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	s.streams.Add(1)
	last := ""
	buffer := make([]byte, 4096)
	for {
		n, err := response.Body.Read(buffer)
		if n > 0 {
			s.events.Add(1)
			last = string(buffer[:n])
		}
		switch {
		case err == io.EOF && strings.HasSuffix(last, "data: bye\n\n"):
			return nil
		case err != nil:
			return fmt.Errorf("after %q: %w", last, err)
		}
	}
}
