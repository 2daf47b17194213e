package etcd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
)

// TLSOptions says how connections to https endpoints are made. The files are read
// again for each new connection, so a rotated certificate or authority needs no
// restart; files that can't be read at that moment leave the last good ones in
// use. The zero value trusts the system's authorities and shows no certificate.
type TLSOptions struct {
	// CAFile holds the PEM certificates of the authorities to trust. Default: those
	// of the system.
	CAFile string
	// CertFile and KeyFile hold the PEM certificate and key that this client shows;
	// give both or neither. Default: none.
	CertFile, KeyFile string
	// ServerName is the name that the servers' certificates must have. Default: the
	// host of each endpoint.
	ServerName string
}

// material is what the files of TLSOptions hold.
type material struct {
	options TLSOptions
	base    *tls.Config // the user's own, instead of options; nil if not given

	mu   sync.Mutex
	last *tls.Config
}

// config reads the files. If that fails it returns the last good config together
// with the error, and nil if there is none.
func (m *material) config() (*tls.Config, error) {
	if m.base != nil {
		return m.base.Clone(), nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	config, err := m.options.read()
	if err == nil {
		m.last = config
	}
	if m.last == nil {
		return nil, err
	}
	return m.last.Clone(), err
}

func (o TLSOptions) read() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.ServerName}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("authorities: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("authorities: %s holds no PEM certificate", o.CAFile)
		}
	}
	if o.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func (o TLSOptions) validate() error {
	if (o.CertFile == "") != (o.KeyFile == "") {
		return errors.New("TLS needs both CertFile and KeyFile, or neither")
	}
	return nil
}
