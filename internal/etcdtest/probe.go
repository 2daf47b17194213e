package etcdtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	probeEvery = 5 * time.Millisecond
	probeLimit = 2 * time.Second
	probeBytes = 4 << 20
)

// probe asks a server over HTTP, which its counters of RPCs don't see. It keeps
// no connection. It is safe for concurrent use.
type probe struct {
	endpoint string
	client   *http.Client
}

func newProbe(endpoint string, config *tls.Config) *probe {
	return &probe{endpoint: endpoint, client: &http.Client{
		Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true},
	}}
}

// wait returns nil once a linearizable read was answered.
func (p *probe) wait(ctx context.Context, exited <-chan struct{}) error {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	last := errors.New("not asked yet")
	for {
		select {
		case <-exited:
			return errors.New("the process ended; see its log")
		case <-ctx.Done():
			return fmt.Errorf("no linearizable read answered: %w; last: %w", context.Cause(ctx), last)
		case <-tick.C:
		}
		// An alarm doesn't keep a server from reading.
		if _, last = p.get(ctx, "/health?exclude=NOSPACE&exclude=CORRUPT"); last == nil {
			return nil
		}
	}
}

func (p *probe) get(ctx context.Context, path string) ([]byte, error) {
	return p.do(ctx, http.MethodGet, path, nil)
}

// do returns the body of an answer 200 and an error for everything else.
func (p *probe) do(ctx context.Context, method, path string, body io.Reader) (_ []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, p.endpoint+path, body)
	if err != nil {
		return nil, err
	}
	response, err := p.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, probeBytes))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, tail(answer, 200))
	}
	return answer, nil
}
