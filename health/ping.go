package health

import (
	"context"
	"time"
)

// The limits of one run of Ping and PingCache.
const (
	pingTimeout      = 500 * time.Millisecond
	pingCacheTimeout = 300 * time.Millisecond
)

// Ping checks a database by a function that asks it something cheap, such as
// (*sql.DB).PingContext. The limit of one run is 500 ms unless [CheckOptions] say
// otherwise. It can't be in the group [Live].
func Ping(name string, ping func(ctx context.Context) error) Checker {
	return pinger{name, ping, pingTimeout}
}

// PingCache is [Ping] for a cache, which must answer sooner: within 300 ms. A
// program that does without its cache registers it as [CheckOptions].Optional.
func PingCache(name string, ping func(ctx context.Context) error) Checker {
	return pinger{name, ping, pingCacheTimeout}
}

type pinger struct {
	name  string
	ping  func(ctx context.Context) error
	limit time.Duration
}

func (p pinger) Name() string                     { return p.name }
func (p pinger) Check(ctx context.Context) Result { return Result{Err: p.ping(ctx)} }
func (p pinger) DefaultTimeout() time.Duration    { return p.limit }
func (p pinger) outside()                         {}

func (p pinger) mistake() error {
	if p.ping == nil {
		return errNoFunction
	}
	return nil
}
