package drivertest

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// TestRegistry checks a [core.Registry] against the contract of package core, one
// subtest per rule. A failure names the rule that was broken.
func TestRegistry(t *testing.T, h RegistryHarness) {
	t.Helper()
	for _, c := range registryChecks() {
		t.Run(c.name, func(t *testing.T) { performRegistry(t, c, h) })
	}
}

func registryChecks() []check[*registryRun] {
	var all []check[*registryRun]
	all = append(all, registrationChecks()...)
	all = append(all, ownershipChecks()...)
	all = append(all, lossChecks()...)
	all = append(all, serviceChecks()...)
	for _, c := range common[core.Instance]() {
		shared := check[*registryRun]{name: c.name, rule: c.rule, run: func(r *registryRun) { c.run(r.run) }}
		if c.missing != nil {
			shared.missing = func(r *registryRun) string { return c.missing(r.run) }
		}
		all = append(all, shared)
	}
	return all
}

// registryRun is one case's view of a registry.
type registryRun struct {
	*run[core.Instance]
	h      RegistryHarness
	area   RegistryArea
	minTTL time.Duration
}

// service is what the cases that are about one service only call it.
const service = "kit-service"

// The owners of a case, in the order in which they started.
const (
	ownerFirst  = "0001-first"
	ownerSecond = "0002-second"
	ownerThird  = "0003-third"
)

func performRegistry(t testing.TB, c check[*registryRun], h RegistryHarness) {
	t.Helper()
	if h.Open == nil || h.Heartbeat <= 0 {
		t.Fatal("drivertest: RegistryHarness needs Open and Heartbeat")
	}
	perform(t, c, func(t testing.TB, rule string) *registryRun { return beginRegistry(t, rule, h) })
}

func beginRegistry(t testing.TB, rule string, h RegistryHarness) *registryRun {
	t.Helper()
	area := h.Open(t)
	if area.Client == nil {
		t.Fatal("drivertest: RegistryArea needs Client")
	}
	r := &registryRun{h: h, area: area, minTTL: orDefault(h.MinTTL, time.Second)}
	r.run = &run[core.Instance]{
		TB: ruled{t, rule}, base: t,
		heartbeat: h.Heartbeat, patience: orDefault(h.Patience, 10*time.Second), many: orDefault(h.Many, 500),
		blind: h.BlindToHistory, secrets: h.Secrets, foreign: h.Foreign, faults: area.Faults,
		same: func(id string, v core.Instance, n int) bool { return v.Equal(numbered(id, n)) },
	}
	r.open = func() client[core.Instance] { return r.of(r.client(), service) }

	// What happens "outside" in the cases that both kinds of driver share is done by
	// a client of its own. It is opened here, and used once, so that nothing of it is
	// taken for something that the client under test left behind.
	w := r.client()
	r.discover(w, service)
	r.put = func(entries map[string]int) {
		for id, n := range entries {
			r.insist(func(ctx context.Context) error { return w.Register(ctx, r.lasting(numbered(id, n), ownerFirst)) })
		}
	}
	r.remove = func(ids ...string) {
		for _, id := range ids {
			r.insist(func(ctx context.Context) error {
				return w.Deregister(ctx, r.lasting(numbered(id, 0), ownerFirst))
			})
		}
	}
	return r
}

// registryClient is a client under test and what ends it.
type registryClient struct {
	core.Registry
	stop func()
}

// Unwrap lets the optional abilities of the driver be found.
func (c registryClient) Unwrap() any { return c.Registry }

func (r *registryRun) client() registryClient {
	reg, stop := r.area.Client(r.base)
	r.base.Cleanup(stop)
	return registryClient{reg, stop}
}

func (r *registryRun) of(c registryClient, service string) client[core.Instance] {
	return client[core.Instance]{
		driver: c.Registry, origin: c.Origin, stop: c.stop,
		list: func(ctx context.Context) (core.Snapshot[core.Instance], error) { return c.Discover(ctx, service) },
		watch: func(ctx context.Context, after core.Revision) iterOf[core.Instance] {
			return c.Watch(ctx, service, after)
		},
	}
}

// numbered is the n-th variant of an instance of service.
func numbered(id string, n int) core.Instance {
	return core.Instance{
		ID: id, Service: service, Version: strconv.Itoa(n), Zone: "here",
		Endpoints: []string{"http://127.0.0.1:" + strconv.Itoa(8000+n), "grpc://127.0.0.1:9000"},
		Metadata:  map[string]string{"variant": strconv.Itoa(n)},
	}
}

// lasting is a registration that does not end within a case.
func (r *registryRun) lasting(i core.Instance, owner string) core.Registration {
	return core.Registration{Instance: i, Owner: owner, TTL: max(2*time.Minute, r.minTTL)}
}

// insist makes a call until it succeeds, as an announcement does.
func (r *registryRun) insist(call func(ctx context.Context) error) {
	r.Helper()
	var err error
	if !poll(r.patience, func() bool {
		ctx, cancel := context.WithTimeout(r.base.Context(), r.patience/4)
		defer cancel()
		err = call(ctx)
		return err == nil
	}) {
		r.Fatalf("a write did not succeed within %v: %v", r.patience, err)
	}
}

// register must succeed at once.
func (r *registryRun) register(c core.Registry, reg core.Registration) {
	r.Helper()
	if err := c.Register(r.ctx(), reg); err != nil {
		r.Fatalf("Register of %s failed: %v", brief(reg.Instance.ID), err)
	}
}

// deregister must succeed at once.
func (r *registryRun) deregister(c core.Registry, reg core.Registration) {
	r.Helper()
	if err := c.Deregister(r.ctx(), reg); err != nil {
		r.Fatalf("Deregister of %s failed: %v", brief(reg.Instance.ID), err)
	}
}

// discover must succeed at once.
func (r *registryRun) discover(c core.Registry, service string) core.Snapshot[core.Instance] {
	r.Helper()
	return r.list(client[core.Instance]{list: func(ctx context.Context) (core.Snapshot[core.Instance], error) {
		return c.Discover(ctx, service)
	}})
}

// wantInstances reports where what a client discovers differs from instances.
func (r *registryRun) wantInstances(when string, c core.Registry, service string, want ...core.Instance) {
	r.Helper()
	got := r.discover(c, service).Items
	for _, w := range want {
		g, ok := got[w.ID]
		switch {
		case !ok:
			r.Errorf("%s: instance %s is not there", when, brief(w.ID))
		case !g.Equal(w):
			r.Errorf("%s: instance %s differs from what was registered: got %+v; want %+v", when, brief(w.ID), g, w)
		}
	}
	if len(got) != len(want) {
		r.Errorf("%s: service %s has %d instances; want %d", when, brief(service), len(got), len(want))
	}
}
