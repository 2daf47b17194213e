// Package memorykit connects the conformance kits to the memory backend. The tests
// of that backend and of the kits themselves share it.
package memorykit

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/drivertest"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

const (
	heartbeat = 100 * time.Millisecond
	minTTL    = 300 * time.Millisecond
	prefix    = "/config/foo/"
)

// blind says why plain revisions can't tell histories apart.
const blind = "plain revisions of a history that was overtaken can't be told from its successor's"

// Registry returns the harness of a registry in memory.
func Registry(plain bool) drivertest.RegistryHarness {
	h := drivertest.RegistryHarness{
		Open:      func(t testing.TB) drivertest.RegistryArea { return registryArea(backend(t, plain)) },
		Heartbeat: heartbeat,
		MinTTL:    minTTL,
	}
	if plain {
		h.BlindToHistory = blind
	}
	return h
}

// Config returns the harness of a source of configuration in memory.
func Config(plain bool) drivertest.ConfigHarness {
	h := drivertest.ConfigHarness{
		Open:      func(t testing.TB) drivertest.ConfigArea { return configArea(backend(t, plain)) },
		Heartbeat: heartbeat,
	}
	if plain {
		h.BlindToHistory = blind
	}
	return h
}

func backend(t testing.TB, plain bool) *memory.Backend {
	b := memory.New(memory.Options{Heartbeat: heartbeat, PlainRevisions: plain})
	t.Cleanup(b.Close)
	return b
}

func registryArea(b *memory.Backend) drivertest.RegistryArea {
	return drivertest.RegistryArea{
		Client: func(testing.TB) (core.Registry, func()) { return b.Registry(), func() {} },
		PutMalformed: func(_ testing.TB, service, id, mark string) {
			b.PutRaw(service, id, []byte(`{"id": `+mark))
		},
		Remove: func(_ testing.TB, service, id string) { b.Revoke(service, id) },
		Revoke: func(_ testing.TB, service, id string) { b.Revoke(service, id) },
		Hold: func(testing.TB) drivertest.Held {
			h := b.Hold()
			return drivertest.Held{
				Pass:    func(testing.TB) { h.Pass() },
				Release: func(testing.TB) { h.Release() },
			}
		},
		Faults: faults(b),
	}
}

func configArea(b *memory.Backend) drivertest.ConfigArea {
	full := func(put map[string][]byte) map[string][]byte {
		out := make(map[string][]byte, len(put))
		for k, v := range put {
			out[prefix+k] = v
		}
		return out
	}
	txn := func(_ testing.TB, put map[string][]byte, del ...string) {
		keys := make([]string, len(del))
		for i, k := range del {
			keys[i] = prefix + k
		}
		b.Txn(full(put), keys...)
	}
	return drivertest.ConfigArea{
		Client: func(testing.TB) (core.ConfigSource, func()) { return b.ConfigSource(prefix), func() {} },
		Put:    func(_ testing.TB, entries map[string][]byte) { b.Txn(full(entries)) },
		Delete: func(t testing.TB, keys ...string) { txn(t, nil, keys...) },
		Txn:    txn,
		PutBeside: func(_ testing.TB, tail string, value []byte) {
			b.Put(prefix[:len(prefix)-1]+tail, value)
		},
		Faults: faults(b),
	}
}

func faults(b *memory.Backend) drivertest.Faults {
	return drivertest.Faults{
		Cut:        func(testing.TB) { b.Cut() },
		Silence:    func(testing.TB) { b.Silence() },
		Deny:       func(testing.TB) { b.Refuse(core.ErrDenied) },
		LoseQuorum: func(testing.TB) { b.LoseQuorum() },
		Heal:       func(testing.TB) { b.Heal() },
		Compact:    func(testing.TB) { b.Compact() },
		Wipe: func(_ testing.TB, past core.Revision) {
			b.Wipe()
			b.Advance(past)
		},
		Requests: func(testing.TB) int64 { return b.Requests() },
	}
}
