package system

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// PushOptions send samples to a collector, each as one small JSON document by POST;
// docs/metrics.md describes it. The newest sample alone is ever sent: nothing is
// queued while the collector is away. The zero value sends nothing.
type PushOptions struct {
	// URL is where to: http or https, without user and password, which belong into the
	// Transport of Client. Nothing but its host is ever logged. Default "", which is
	// nowhere.
	URL string
	// Interval is the shortest time between two samples that are sent. Default 0: each
	// is sent.
	Interval time.Duration
	// Timeout bounds one request. Default 5 s.
	Timeout time.Duration
	// MaxBackoff bounds the wait after a failure, which begins at 1 s and doubles, with
	// jitter. What the collector asks for by Retry-After is bounded by it too, and up to
	// a quarter more is waited, lest all who were told come back at once. Default 5 min.
	MaxBackoff time.Duration
	// Labels are sent with each sample, to tell who it is of: service and instance,
	// say. No secrets. The map is copied. Default none.
	Labels map[string]string
	// Client sends the requests. It is not modified, and redirects are not followed
	// whatever it says, because a sample is for nobody but the URL. Default: one of the
	// sampler's own, which uses no proxy.
	Client *http.Client
}

// normalize fills in defaults.
func (o PushOptions) normalize() (PushOptions, error) {
	if o.URL == "" {
		return o, nil
	}
	u, err := url.Parse(o.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return o, errors.New("PushOptions.URL is not of the form http://host:port/path or https://host/path") // without the URL, which may hold a secret
	case u.User != nil:
		return o, errors.New("PushOptions.URL holds a user; let the Transport of PushOptions.Client add credentials")
	case o.Interval < 0:
		return o, fmt.Errorf("PushOptions.Interval is %v; give a positive one, or 0 to send each sample", o.Interval)
	case o.Timeout < 0:
		return o, fmt.Errorf("PushOptions.Timeout is %v; give a positive one, or 0 for the default", o.Timeout)
	case o.MaxBackoff < 0:
		return o, fmt.Errorf("PushOptions.MaxBackoff is %v; give a positive one, or 0 for the default", o.MaxBackoff)
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = 5 * time.Minute
	}
	labels := make(map[string]string, len(o.Labels))
	for name, value := range maps.All(o.Labels) {
		labels[strings.ToValidUTF8(name, "?")] = strings.ToValidUTF8(value, "?")
	}
	o.Labels = labels
	return o, nil
}

// PushStats tell how pushing goes.
type PushStats struct {
	// Sent counts the samples that the collector took, Failed the requests that it did
	// not.
	Sent, Failed uint64
	// LastSent is when it last took one; zero before that.
	LastSent time.Time
	// Err is why the last request failed; nil if it did not. It names the host of the
	// collector and nothing else of its URL.
	Err error
}
