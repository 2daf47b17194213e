package holdfastgin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
)

// RunOptions refine [Run]. The zero value is good for most services.
type RunOptions struct {
	// Listener is served instead of listening on addr. Run closes it. Default none.
	Listener net.Listener
	// Server is the server to use, for its timeouts, TLS and hooks; Run sets its
	// Handler unless it has one (which then should call the engine), serves TLS if
	// it has a TLSConfig with a certificate, and ends it. Default: one with a
	// ReadHeaderTimeout of 10 s, an IdleTimeout of 2 min and no limit on bodies, so
	// that streams work.
	Server *http.Server
	// NoAnnounce keeps the service out of the registry. Default false: it is
	// announced if the service has a registry.
	NoAnnounce bool
	// Instance is the template of what is announced: Zone, Weight, Metadata, ID, or
	// whole Endpoints, which then are announced as they are. An empty Service,
	// Version or ID is filled in by [holdfast.Service.Announce].
	Instance core.Instance
	// Advertise says which address peers should reach the service at.
	Advertise AdvertiseOptions
	// Lifecycle is the life to run, for programs that add hooks or mount health
	// endpoints on another server. Default: a new one.
	Lifecycle *Lifecycle
	// Stop are the budgets of the end, where Lifecycle is nil. Its Logger defaults
	// to Logger.
	Stop LifecycleOptions
	// NoSignals makes ctx alone end the run. Default false: SIGTERM and SIGINT end
	// it too.
	NoSignals bool
	// Logger gets a line when the service serves, one per phase of the end, and
	// what net/http complains of. Default slog.Default().
	Logger *slog.Logger
}

// Run serves engine at addr until SIGTERM, SIGINT or the end of ctx, and then
// ends so that no peer notices. It listens, finds the address to advertise,
// serves, is ready, and announces the service in the background: readiness never
// waits for a backend. At the end it goes through the phases of
// [Lifecycle.Stop]; a second signal makes that hurry (see [Lifecycle.Hurry]),
// and a third is no longer caught, so that it kills the process.
//
// Run owns svc from here on: it is closed when Run returns, whatever happened.
// So is the listener.
//
// It returns nil after a clean end, a dead backend included. Otherwise the error
// says, all joined: what the program got wrong ([core.ErrInvalid]: a nil
// argument, no address to advertise, an instance that can't be announced), that
// addr can't be listened on (then nothing was announced), that serving failed,
// and what [Lifecycle.Stop] returned.
func Run(ctx context.Context, svc *holdfast.Service, engine *gin.Engine, addr string, opts RunOptions) error {
	if svc == nil {
		if opts.Listener != nil {
			_ = opts.Listener.Close()
		}
		return fmt.Errorf("holdfastgin: run: %w: the service is nil; make one with holdfast.Start", core.ErrInvalid)
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.Stop.Logger == nil {
		opts.Stop.Logger = opts.Logger
	}
	life := opts.Lifecycle
	if life == nil || life.svc != svc { // the life of another service goes on
		life = NewLifecycle(svc, opts.Stop)
	}
	r := &run{svc: svc, life: life, opts: opts}
	if err := r.prepare(ctx, engine, addr); err != nil {
		// Nobody was served: there is nothing to wait for.
		life.Hurry()
		return errors.Join(fmt.Errorf("holdfastgin: run: %w", err), life.Stop(ctx))
	}
	return r.serve(ctx)
}

// run is one Run.
type run struct {
	svc      *holdfast.Service
	life     *Lifecycle
	opts     RunOptions
	server   *http.Server
	listener net.Listener
	instance core.Instance
	announce bool
}

// prepare does all that can be wrong before anybody is told that the service is
// there.
func (r *run) prepare(ctx context.Context, engine *gin.Engine, addr string) (err error) {
	r.listener = r.opts.Listener
	defer func() {
		if err != nil && r.listener != nil {
			_ = r.listener.Close()
		}
	}()
	if engine == nil {
		return fmt.Errorf("%w: the engine is nil; make one with gin.New", core.ErrInvalid)
	}
	if r.opts.Lifecycle != nil && r.opts.Lifecycle != r.life {
		return fmt.Errorf("%w: RunOptions.Lifecycle was made for another service", core.ErrInvalid)
	}
	if r.listener == nil {
		var config net.ListenConfig
		if r.listener, err = config.Listen(ctx, "tcp", addr); err != nil {
			return err
		}
	}
	if r.server = r.opts.Server; r.server == nil {
		r.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	}
	if r.server.Handler == nil {
		r.server.Handler = engine
		if engine.UseH2C {
			r.server.Protocols = withH2C(r.server.Protocols)
		}
	}
	if r.server.ErrorLog == nil {
		r.server.ErrorLog = slog.NewLogLogger(r.opts.Logger.Handler(), slog.LevelWarn)
	}
	r.announce = !r.opts.NoAnnounce && hasRegistry(r.svc)
	if !r.announce {
		return nil
	}
	return r.address(ctx)
}

// withH2C adds HTTP/2 without TLS. The handler that gin would wrap the engine in
// takes the connections away from the server, which then awaits none of their
// requests when it shuts down.
func withH2C(given *http.Protocols) *http.Protocols {
	var p http.Protocols
	if given != nil {
		p = *given
	} else {
		p.SetHTTP1(true)
		p.SetHTTP2(true)
	}
	p.SetUnencryptedHTTP2(true)
	return &p
}

// address completes the instance to announce.
func (r *run) address(ctx context.Context) error {
	r.instance = r.opts.Instance.Clone()
	advertised := Advertised{Reason: "RunOptions.Instance"}
	if len(r.instance.Endpoints) == 0 {
		o := r.opts.Advertise
		if o.Env == "" {
			o.Env = DefaultAdvertiseEnv
		}
		if len(o.Via) == 0 {
			o.Via = r.svc.Addresses()
		}
		if o.Scheme == "" && secure(r.server.TLSConfig) {
			o.Scheme = "https"
		}
		var err error
		if advertised, err = Advertise(ctx, r.listener, o); err != nil {
			return err
		}
		r.instance.Endpoints = []string{advertised.Endpoint}
	}
	advertised.Endpoint = r.instance.Endpoints[0]
	r.life.mu.Lock()
	r.life.advertised = advertised
	r.life.mu.Unlock()
	return nil
}

// secure reports whether a server speaks TLS.
func secure(c *tls.Config) bool {
	return c != nil && (len(c.Certificates) > 0 || c.GetCertificate != nil || c.GetConfigForClient != nil)
}

// hasRegistry asks a handle that no engine is started for: a service without a
// registry has no origin either.
func hasRegistry(svc *holdfast.Service) bool { return svc.Endpoints("").Status().Origin != "" }

// serve serves until it should end, and ends.
func (r *run) serve(ctx context.Context) error {
	stop := r.watchSignals()
	defer stop.release()
	r.life.Attach(r.server)
	r.life.own(r.server)
	served := make(chan error, 1)
	go func() {
		if secure(r.server.TLSConfig) {
			served <- r.server.ServeTLS(r.listener, "", "")
			return
		}
		served <- r.server.Serve(r.listener)
	}()
	r.life.Ready()
	r.opts.Logger.LogAttrs(ctx, slog.LevelInfo, "holdfast: serving",
		slog.String("service", r.svc.Name()), slog.String("listen", r.listener.Addr().String()),
		slog.String("advertise", r.life.Status().Advertised.Endpoint), slog.String("reason", r.life.Status().Advertised.Reason))

	var err error
	if r.announce {
		_, err = r.svc.Announce(r.instance)
	}
	ended := false
	if err == nil {
		select {
		case <-stop.asked:
		case <-ctx.Done():
		case err = <-served:
			ended = true
			if errors.Is(err, http.ErrServerClosed) {
				err = nil // the program shut its own server down
			}
		}
	}
	if err != nil {
		// Nobody can be served any more, or nobody ever came.
		r.life.Hurry()
		err = fmt.Errorf("holdfastgin: run: %w", err)
	}
	err = errors.Join(err, r.life.Stop(context.WithoutCancel(ctx), r.server))
	if !ended {
		// A life that had ended before it got the server has not ended that.
		_ = r.server.Close()
		if end := <-served; !errors.Is(end, http.ErrServerClosed) {
			err = errors.Join(err, fmt.Errorf("holdfastgin: run: %w", end))
		}
	}
	return err
}
