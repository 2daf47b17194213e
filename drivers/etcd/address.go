package etcd

import (
	"net/url"
	"strings"
)

// addresses returns the host:port of every endpoint that has one: a Unix socket has
// not.
func (c *Client) addresses() []string {
	var all []string
	for _, endpoint := range c.etcd.Endpoints() {
		if !strings.Contains(endpoint, "://") {
			endpoint = "//" + endpoint
		}
		u, err := url.Parse(endpoint)
		if err == nil && u.Port() != "" && !strings.HasPrefix(u.Scheme, "unix") {
			all = append(all, u.Host)
		}
	}
	return all
}
