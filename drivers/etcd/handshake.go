package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
)

// troubleLasts is how long a failed handshake explains why calls fail. It is
// longer than the longest pause between two tries to connect.
const troubleLasts = 3 * time.Second

// handshaker makes TLS connections with certificates that are read anew for each
// (etcd #7576, #11555), and keeps why the last handshake failed: gRPC hands that
// on as text alone, and a certificate that is refused needs a person where a
// server that is down does not.
type handshaker struct {
	material *material
	logger   *slog.Logger

	mu      sync.Mutex
	refused error
	at      time.Time
}

// trouble returns why certificates are being refused, by us or by the server; nil
// if they are not.
func (h *handshaker) trouble() error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.at) > troubleLasts {
		return nil
	}
	return h.refused
}

func (h *handshaker) note(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused, h.at = err, time.Now()
}

// ClientHandshake implements credentials.TransportCredentials.
func (h *handshaker) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	config, err := h.material.config()
	if config == nil {
		h.note(err)
		return nil, nil, err
	}
	if err != nil {
		h.logger.WarnContext(ctx, "etcd: TLS files can't be read; the last good ones stay in use", "error", err)
	}
	if config.ServerName != "" {
		// gRPC overwrites the config's name by the endpoint's.
		authority = config.ServerName
	}
	conn, info, err := credentials.NewTLS(config).ClientHandshake(ctx, authority, raw)
	if err != nil {
		if refusal(err) {
			h.note(err)
		}
		return nil, nil, err
	}
	// With TLS 1.3 the server's verdict on our certificate comes with the first
	// bytes read.
	return &firstRead{Conn: conn, verdict: h.note}, info, nil
}

// refusal reports whether a handshake failed because of a certificate.
func refusal(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true // the server doesn't speak TLS
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error" // an alert of the server
}

// firstRead is a connection that tells what its first read found.
type firstRead struct {
	net.Conn
	verdict func(error)
	once    sync.Once
}

// Read implements net.Conn.
func (c *firstRead) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.once.Do(func() {
		if err == nil {
			c.verdict(nil)
		} else if refusal(err) {
			c.verdict(err)
		}
	})
	return n, err
}

// ServerHandshake implements credentials.TransportCredentials.
func (h *handshaker) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.ErrUnsupported
}

// Info implements credentials.TransportCredentials.
func (h *handshaker) Info() credentials.ProtocolInfo {
	return credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12, ServerName: h.material.options.ServerName}).Info()
}

// Clone implements credentials.TransportCredentials. The clone shares what is
// known about handshakes.
func (h *handshaker) Clone() credentials.TransportCredentials { return h }

// OverrideServerName implements credentials.TransportCredentials.
//
// Deprecated: gRPC no longer calls it; use TLSOptions.ServerName.
func (h *handshaker) OverrideServerName(string) error { return errors.ErrUnsupported }
