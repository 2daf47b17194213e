package drivertest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func registrationChecks() []check[*registryRun] {
	return []check[*registryRun]{
		{name: "RegisterIsVisible", rule: ruleRegister, run: registerVisible},
		{name: "RegisterIsIdempotent", rule: ruleRefresh, run: registerIdempotent},
		{name: "RegisterReplacesAll", rule: ruleRegister, run: registerReplaces},
		{name: "RegistrationExpires", rule: ruleExpiry, run: registrationExpires},
		{name: "RefreshKeepsRegistration", rule: ruleRefresh, run: refreshKeeps},
		{name: "RegisterAfterRemoval", rule: ruleRegister, run: registerAfterRemoval, missing: lacks(func(r *registryRun) bool { return r.area.Remove == nil && r.area.Revoke == nil }, "the harness has neither Remove nor Revoke")},
		{name: "InvalidIsInvalid", rule: ruleInvalid, run: invalid},
		{name: "WritesReturnTheCause", rule: ruleCancel, run: writesReturnCause},
		{name: "WritesFailWhenCut", rule: ruleCallCut, run: writesFailWhenCut, missing: lacks(func(r *registryRun) bool { return r.faults.Cut == nil }, "the harness has no Cut")},
		{name: "WritesKeepTheirDeadlineWhenSilent", rule: ruleDeadline, run: writesKeepDeadline, missing: lacks(func(r *registryRun) bool { return r.faults.Silence == nil }, "the harness has no Silence")},
		{name: "WritesAreDenied", rule: ruleDenied, run: writesDenied, missing: lacks(func(r *registryRun) bool { return r.faults.Deny == nil }, "the harness has no Deny")},
	}
}

// full is an instance with everything.
func full(r *registryRun) core.Instance {
	return core.Instance{
		ID: "full", Service: service, Version: "1.4.2-rc.1+build", Zone: "eu-1/b", Weight: 7, Status: core.StatusDraining,
		Endpoints: []string{"http://192.0.2.1:8080", "grpc://[2001:db8::1]:9090", "http://192.0.2.1:8081"},
		Metadata: map[string]string{
			"": "empty key", "empty value": "", "<&>": "\u2028 ünïcödé", "sp ace": "line\nbreak", "nul": "a\x00b",
			"big": strings.Repeat("x", orDefault(r.h.MaxMetadata, 1024)-100),
		},
	}
}

func registerVisible(r *registryRun) {
	c, peer := r.client(), r.client()
	seen := r.of(peer, service)
	o := r.observe(seen, r.list(seen))
	i := full(r)
	r.register(c, r.lasting(i, ownerFirst))
	r.wantInstances("a peer, as soon as Register returned", peer, service, i)
	if !o.wait(r.patience, func() bool { g, ok := o.set[i.ID]; return ok && g.Equal(i) }) {
		r.Errorf("a peer's watch did not show exactly the instance that was registered")
	}
	bare := core.Instance{ID: "bare", Service: service}
	r.register(c, r.lasting(bare, ownerFirst))
	r.wantInstances("a peer", peer, service, i, bare)
	r.deregister(c, r.lasting(i, ownerFirst))
	r.wantInstances("a peer, as soon as Deregister returned", peer, service, bare)
}

func registerIdempotent(r *registryRun) {
	c, peer := r.client(), r.client()
	i := numbered("a", 1)
	r.register(c, r.lasting(i, ownerFirst))
	seen := r.of(peer, service)
	o := r.observe(seen, r.list(seen))
	for range 5 {
		r.register(c, r.lasting(i, ownerFirst))
		r.wantInstances("after the same Register", peer, service, i)
	}
	r.inSync(o)
	for _, s := range o.recorded() {
		if len(s.Delete) > 0 {
			r.Errorf("a watch showed the instance as gone while it was registered again")
		}
	}
}

func registerReplaces(r *registryRun) {
	c, peer := r.client(), r.client()
	before := full(r)
	r.register(c, r.lasting(before, ownerFirst))
	after := before.Clone()
	after.Metadata = map[string]string{"new": "1"}
	after.Endpoints = after.Endpoints[1:2]
	after.Version, after.Zone, after.Weight, after.Status = "", "", 0, core.StatusUp
	r.register(c, r.lasting(after, ownerFirst))
	r.wantInstances("after a Register that says less", peer, service, after)
	after.Status = core.StatusDown
	r.register(c, r.lasting(after, ownerFirst))
	r.wantInstances("after a Register with another Status", peer, service, after)
}

func registrationExpires(r *registryRun) {
	c, peer := r.client(), r.client()
	seen := r.of(peer, service)
	o := r.observe(seen, r.list(seen))
	i := numbered("a", 1)
	start := time.Now()
	r.register(c, core.Registration{Instance: i, Owner: ownerFirst, TTL: r.minTTL})
	if !o.wait(r.patience, func() bool { return len(o.set) == 1 }) {
		r.Fatalf("a peer's watch did not show the instance")
	}
	c.stop()
	if !o.wait(2*r.minTTL+r.patience, func() bool { return len(o.set) == 0 || !o.endedAt.IsZero() }) {
		r.Fatalf("an instance whose process died is still there after %v, with a TTL of %v", time.Since(start), r.minTTL)
	}
	if err := o.failed(); err != nil {
		r.Fatalf("a watch of a healthy backend ended: %v", err)
	}
	if lived := time.Since(start); lived < r.minTTL*9/10 {
		r.Errorf("an instance was gone after %v, with a TTL of %v", lived, r.minTTL)
	}
	r.wantInstances("after its TTL", peer, service)
}

func refreshKeeps(r *registryRun) {
	c, peer := r.client(), r.client()
	seen := r.of(peer, service)
	reg := core.Registration{Instance: numbered("a", 1), Owner: ownerFirst, TTL: max(r.minTTL, 2*slack)}
	r.register(c, reg)
	o := r.observe(seen, r.list(seen))
	over := time.NewTimer(3 * reg.TTL)
	defer over.Stop()
	beat := time.NewTicker(reg.TTL / 4)
	defer beat.Stop()
	for end := false; !end; {
		select {
		case <-beat.C:
			r.register(c, reg)
		case <-over.C:
			end = true
		}
	}
	r.wantInstances("after three TTLs with refreshes", peer, service, reg.Instance)
	for _, s := range o.recorded() {
		if len(s.Delete) > 0 {
			r.Fatalf("an instance was gone for a while, although it was refreshed four times per TTL")
		}
	}
}

func registerAfterRemoval(r *registryRun) {
	c, peer := r.client(), r.client()
	i := numbered("a", 1)
	for what, remove := range map[string]func(){
		"removed": func() { r.area.Remove(r.base, service, i.ID) },
		"revoked": func() { r.area.Revoke(r.base, service, i.ID) },
	} {
		if (what == "removed" && r.area.Remove == nil) || (what == "revoked" && r.area.Revoke == nil) {
			continue
		}
		r.register(c, r.lasting(i, ownerFirst))
		remove()
		r.wantInstances("after it was "+what, peer, service)
		// The first try may only find out that the lease is gone.
		r.insist(func(ctx context.Context) error { return c.Register(ctx, r.lasting(i, ownerFirst)) })
		r.wantInstances("registered again after it was "+what, peer, service, i)
	}
}

func invalid(r *registryRun) {
	c := r.client()
	good := r.lasting(numbered("a", 1), ownerFirst)
	for what, spoil := range map[string]func(*core.Registration){
		"without ID":             func(g *core.Registration) { g.Instance.ID = "" },
		"without Service":        func(g *core.Registration) { g.Instance.Service = "" },
		"with a negative Weight": func(g *core.Registration) { g.Instance.Weight = -1 },
		"with an unknown Status": func(g *core.Registration) { g.Instance.Status = 9 },
		"without Owner":          func(g *core.Registration) { g.Owner = "" },
		"without TTL":            func(g *core.Registration) { g.TTL = 0 },
	} {
		bad := good
		spoil(&bad)
		r.wantKind("Register "+what, c.Register(r.ctx(), bad), core.ErrInvalid)
	}
	r.wantInstances("after invalid registrations", c, service)
	_, err := c.Discover(r.ctx(), "")
	r.wantKind("Discover without a service", err, core.ErrInvalid)
	from := r.discover(c, service)
	o := r.observe(r.of(c, ""), from)
	r.wantKind("Watch without a service", r.ends(o, releaseBound+slack, "no service is named"), core.ErrInvalid)
}

// writes are the calls that change something.
func (r *registryRun) writes(c core.Registry) map[string]func(context.Context) error {
	reg := r.lasting(numbered("a", 1), ownerFirst)
	return map[string]func(context.Context) error{
		"Register":   func(ctx context.Context) error { return c.Register(ctx, reg) },
		"Deregister": func(ctx context.Context) error { return c.Deregister(ctx, reg) },
	}
}

func writesReturnCause(r *registryRun) {
	c := r.client()
	ctx, cancel := context.WithCancelCause(r.base.Context())
	cancel(errCallers)
	for what, call := range r.writes(c) {
		var err error
		if !in(releaseBound+slack, func() { err = call(ctx) }) {
			r.Fatalf("%s went on after its caller had cancelled it", what)
		}
		if err != errCallers { //nolint:errorlint // the very value, unwrapped
			r.Errorf("%s whose ctx was cancelled: got error %v; want context.Cause(ctx) as it is", what, err)
		}
	}
}

func writesFailWhenCut(r *registryRun) {
	c := r.client()
	r.register(c, r.lasting(numbered("a", 1), ownerFirst))
	r.faults.Cut(r.base)
	for what, call := range r.writes(c) {
		ctx, cancel := context.WithTimeout(r.base.Context(), time.Second)
		var err error
		if !in(time.Second+slack, func() { err = call(ctx) }) {
			r.Errorf("%s went on after its deadline", what)
		}
		cancel()
		r.wantKind(fmt.Sprintf("%s while cut off", what), err, core.ErrUnavailable)
	}
}

func writesKeepDeadline(r *registryRun) {
	c := r.client()
	r.register(c, r.lasting(numbered("a", 1), ownerFirst))
	r.faults.Silence(r.base)
	for what, call := range r.writes(c) {
		r.keepsDeadline(what, call)
	}
}

func writesDenied(r *registryRun) {
	c := r.client()
	r.discover(c, service)
	r.faults.Deny(r.base)
	for what, call := range r.writes(c) {
		r.wantKind(what, call(r.ctx()), core.ErrDenied)
	}
}
