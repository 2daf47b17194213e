package etcd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/holdfast-go/holdfast/core"
)

// The timing of connections. Together they decide how soon everything is fresh
// again after the cluster serves: grpc's own backoff of up to 120 s means 15 to
// 60 s after a long outage, and a registration that is gone meanwhile. The wait of
// a connection and that of the engine above it, up to 500 ms, add up: a cluster
// that goes on after a pause has everything back within a second only if both
// together are shorter than that.
const (
	connectBackoffMin = 50 * time.Millisecond
	connectBackoffMax = 400 * time.Millisecond
	minConnectTimeout = time.Second
	keepaliveTime     = 10 * time.Second
	keepaliveTimeout  = 3 * time.Second
)

// The windows of HTTP/2. Of what a list does not read at once no more than that
// waits in memory.
const (
	streamWindow = 4 << 20
	connWindow   = 8 << 20
)

// DialOptions say where the cluster is and how to talk to it. Endpoints is
// required; the zero value of everything else works.
type DialOptions struct {
	// Endpoints are the members' client URLs, all of them http:// or all of them
	// https://, or host:port, or unix://path.
	Endpoints []string
	// Username and Password log in where the cluster has authentication enabled.
	// The password goes to the cluster in the first call, never into a log, an
	// error or a status. Default: no login.
	Username, Password string
	// Token is a JWT used instead of Username and Password. Default: none.
	Token string
	// TLS says how https endpoints are spoken to. Default: with the system's
	// authorities and without a certificate; nil together with host:port means no
	// TLS.
	TLS *TLSOptions
	// TLSConfig replaces TLS by a config of the caller's own, which is used as it is
	// and must not be changed afterwards. Default: none.
	TLSConfig *tls.Config
	// Heartbeat is how often all watches together are proven to be in sync, at a
	// cost of two small requests; 100 ms at least. A cut that shows in no other way
	// is noticed after at most Heartbeat + HeartbeatTimeout. Default 4 s.
	Heartbeat time.Duration
	// HeartbeatTimeout is how long an answer to a heartbeat may take; at most as
	// long as Heartbeat. Default 2.5 s, or Heartbeat*5/8 if Heartbeat is shorter
	// than its default.
	HeartbeatTimeout time.Duration
	// AutoSyncInterval is how often the endpoints are replaced by those that the
	// members advertise, which breaks where these are not reachable from here
	// (behind a proxy, in another network). Default 0: never.
	AutoSyncInterval time.Duration
	// Logger gets what the etcd client has to say, one line per failed try at level
	// debug and little else. Default: nowhere.
	Logger *slog.Logger
}

// String describes the options without secrets.
func (o DialOptions) String() string {
	return fmt.Sprintf("etcd %s as %q", strings.Join(o.Endpoints, ","), o.Username)
}

// GoString is String: %#v must not show the password either.
func (o DialOptions) GoString() string { return o.String() }

// LogValue implements slog.LogValuer without secrets.
func (o DialOptions) LogValue() slog.Value { return slog.StringValue(o.String()) }

// Dial makes a Client. It never blocks and asks nothing of the cluster: that it is
// down, unreachable or refuses the password shows in the calls made later, and
// heals without a restart. An error is a programmer's mistake, of kind
// [core.ErrInvalid]: options that contradict each other, an endpoint that is
// none, certificate files that can't be read.
func Dial(options DialOptions) (*Client, error) {
	if err := options.validate(); err != nil {
		return nil, &core.Error{Driver: driver, Op: "dial", Kind: core.ErrInvalid, Err: err}
	}
	options = options.withDefaults()
	seen := &history{watching: true}
	dial := []grpc.DialOption{
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: connectBackoffMin, Multiplier: 1.6, Jitter: 0.2, MaxDelay: connectBackoffMax,
			},
			MinConnectTimeout: minConnectTimeout,
		}),
		grpc.WithStatsHandler(seen),
		// A fixed window: gRPC's own estimate costs a ping for nearly every event.
		grpc.WithInitialWindowSize(streamWindow),
		grpc.WithInitialConnWindowSize(connWindow),
	}
	var login *auth
	if options.Username != "" || options.Token != "" {
		login = &auth{user: options.Username, password: options.Password, static: options.Token}
		dial = append(dial, grpc.WithChainUnaryInterceptor(login.unary), grpc.WithChainStreamInterceptor(login.stream))
	}
	var hs *handshaker
	if options.secure() {
		m := &material{base: options.TLSConfig}
		if options.TLS != nil {
			m.options = *options.TLS
		}
		if _, err := m.config(); err != nil {
			return nil, &core.Error{Driver: driver, Op: "dial", Kind: core.ErrInvalid, Err: err}
		}
		hs = &handshaker{material: m, logger: options.Logger}
		dial = append(dial, grpc.WithTransportCredentials(hs))
	}
	raw, err := clientv3.New(clientv3.Config{
		Endpoints:            slices.Clone(options.Endpoints),
		AutoSyncInterval:     options.AutoSyncInterval,
		DialKeepAliveTime:    keepaliveTime,
		DialKeepAliveTimeout: keepaliveTimeout,
		MaxUnaryRetries:      1,
		DialOptions:          dial,
		Logger:               newZapLogger(options.Logger),
	})
	if err != nil {
		return nil, &core.Error{Driver: driver, Op: "dial", Kind: core.ErrInvalid, Err: err}
	}
	c := newClient(raw)
	c.history = seen
	c.owned, c.auth, c.tls = true, login, hs
	c.heartbeatInterval, c.heartbeatTimeout = options.Heartbeat, options.HeartbeatTimeout
	raw.ActiveConnection().Connect()
	return c, nil
}

func (o DialOptions) withDefaults() DialOptions {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = defaultHeartbeatInterval
	}
	if o.HeartbeatTimeout == 0 {
		o.HeartbeatTimeout = min(defaultHeartbeatTimeout, o.Heartbeat*5/8)
	}
	return o
}

// secure reports whether connections use TLS.
func (o DialOptions) secure() bool {
	return o.TLS != nil || o.TLSConfig != nil || strings.HasPrefix(o.Endpoints[0], "https://")
}

func (o DialOptions) validate() error {
	var errs []error
	if len(o.Endpoints) == 0 {
		errs = append(errs, errors.New("no endpoints; give the members' client URLs"))
	}
	schemes := make(map[string]bool)
	for _, e := range o.Endpoints {
		scheme, err := schemeOf(e)
		if err != nil {
			errs = append(errs, err)
		}
		schemes[scheme] = true
	}
	if schemes["https"] && len(schemes) > 1 {
		errs = append(errs, errors.New("endpoints mix https:// with others; use one scheme for all"))
	}
	if schemes["http"] && (o.TLS != nil || o.TLSConfig != nil) {
		errs = append(errs, errors.New("TLS is given but endpoints are http://; write https://"))
	}
	if o.TLS != nil && o.TLSConfig != nil {
		errs = append(errs, errors.New("both TLS and TLSConfig are given; give one"))
	}
	if o.TLS != nil {
		errs = append(errs, o.TLS.validate())
	}
	if (o.Username == "") != (o.Password == "") {
		errs = append(errs, errors.New("a login needs both Username and Password"))
	}
	if o.Username != "" && o.Token != "" {
		errs = append(errs, errors.New("both Username and Token are given; give one"))
	}
	if o.Heartbeat < 0 || (o.Heartbeat > 0 && o.Heartbeat < 100*time.Millisecond) {
		errs = append(errs, fmt.Errorf("a heartbeat of %v; give 100 ms or more", o.Heartbeat))
	}
	if d := o.withDefaults(); d.HeartbeatTimeout < 0 || d.HeartbeatTimeout > d.Heartbeat {
		errs = append(errs, fmt.Errorf("a heartbeat timeout of %v; give at most the heartbeat of %v", o.HeartbeatTimeout, d.Heartbeat))
	}
	if o.AutoSyncInterval < 0 {
		errs = append(errs, fmt.Errorf("an AutoSyncInterval of %v; give 0 or more", o.AutoSyncInterval))
	}
	return errors.Join(errs...)
}

// schemeOf checks one endpoint. Its error does not show the endpoint, which may
// hold a password by mistake.
func schemeOf(endpoint string) (string, error) {
	scheme, rest, ok := strings.Cut(endpoint, "://")
	if !ok {
		scheme, rest = "", endpoint
	}
	switch scheme {
	case "http", "https":
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || u.User != nil {
			return scheme, fmt.Errorf("an endpoint is no %s://host:port", scheme)
		}
	case "":
		if rest == "" || strings.ContainsAny(rest, "/@ ") && !strings.HasPrefix(rest, "unix:") {
			return scheme, errors.New("an endpoint is no host:port")
		}
	case "unix", "unixs":
		if rest == "" {
			return scheme, errors.New("an endpoint is no unix://path")
		}
	default:
		return scheme, fmt.Errorf("an endpoint has the scheme %q; use http, https or unix", scheme)
	}
	return scheme, nil
}
