package holdfast

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

func TestOpenDiscovery_RefusesAMistakeAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		reg  core.Registry
		opts DiscoveryOptions
		says string
	}{
		"nil registry":       {nil, DiscoveryOptions{}, "no registry was given"},
		"typed nil registry": {(*rollcall)(nil), DiscoveryOptions{}, "no registry was given"},
		"negative timeout":   {newRollcall(), DiscoveryOptions{RequestTimeout: -1}, "RequestTimeout"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := OpenDiscovery(c.reg, c.opts)
			if !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("OpenDiscovery: %v, want core.ErrInvalid that says %q", err, c.says)
			}
		})
	}
}

func TestDiscovery_GivesTheSameHandlePerName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := discover(t, newRollcall(), DiscoveryOptions{})
		if first, second := d.Endpoints("orders"), d.Endpoints("orders"); first != second {
			t.Error("two calls with one name gave two handles")
		}
		d.Endpoints("inventory")
		var names []string
		for _, s := range d.Status() {
			names = append(names, s.Service+" of "+s.Origin)
		}
		if got, want := strings.Join(names, ", "), "inventory of rollcall, orders of rollcall"; got != want {
			t.Errorf("Status lists %q, want %q", got, want)
		}
	})
}

func TestDiscovery_HandleThatCantWorkSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := discover(t, newRollcall(), DiscoveryOptions{})
		closed := discover(t, newRollcall(), DiscoveryOptions{})
		if err := closed.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			e    *Endpoints
			kind error
		}{
			"empty name":   {open.Endpoints(""), core.ErrInvalid},
			"no discovery": {(*Discovery)(nil).Endpoints("orders"), core.ErrInvalid},
			"closed":       {closed.Endpoints("orders"), core.ErrClosed},
		} {
			if s := c.e.Status(); s.Level != core.Empty || !errors.Is(s.Err, c.kind) || s.Age < 0 {
				t.Errorf("%s: Status is %+v, want level empty and an error of kind %v", name, s, c.kind)
			}
			_, err := c.e.Pick(t.Context())
			if !errors.Is(err, core.ErrNotFound) || !errors.Is(err, c.kind) {
				t.Errorf("%s: Pick: %v, want kinds %v and %v", name, err, core.ErrNotFound, c.kind)
			}
			if err := c.e.WaitLevel(t.Context(), core.Cached); !errors.Is(err, c.kind) {
				t.Errorf("%s: WaitLevel: %v, want kind %v", name, err, c.kind)
			}
			rounds := 0
			for range c.e.Changes(t.Context()) {
				rounds++
			}
			if rounds != 1 {
				t.Errorf("%s: Changes yielded %d times, want once", name, rounds)
			}
			<-c.e.cacheLooked()
		}
	})
}

func TestDiscovery_CloseKeepsWhatWasKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		reg.shows(peer("a"))
		d, e := inventory(t, reg, DiscoveryOptions{})
		if err := d.Close(t.Context()); err != nil {
			t.Fatalf("Close: %v", err)
		}
		wantKnown(t, e, "a", "", core.Memory)
		if err := e.Status().Err; !errors.Is(err, core.ErrClosed) {
			t.Errorf("Status.Err after Close is %v, want core.ErrClosed", err)
		}
		if p, err := e.Pick(t.Context()); err != nil || p.Instance().ID != "a" {
			t.Errorf("Pick after Close: %v, %v, want a", p.Instance(), err)
		}
		wantLevels(t, d, "empty>live")
		if err := d.Close(t.Context()); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if d.Endpoints("inventory") != e {
			t.Error("Close made another handle of the same name")
		}
	})
}

// deafRegistry hangs in Discover and listens to no ctx.
type deafRegistry struct {
	core.Registry
	release chan struct{}
}

func (d *deafRegistry) Origin() string { return "deaf" }

func (d *deafRegistry) Discover(context.Context, string) (core.Snapshot[core.Instance], error) {
	<-d.release
	return core.Snapshot[core.Instance]{}, errAway
}

func TestDiscovery_CloseIsBoundedByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &deafRegistry{release: make(chan struct{})}
		d := discover(t, reg, DiscoveryOptions{})
		e := d.Endpoints("inventory")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := d.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close of a driver that hangs: %v, want context.DeadlineExceeded", err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("Close took %v, its ctx allowed 1s", took)
		}
		if err := e.Status().Err; !errors.Is(err, core.ErrClosed) {
			t.Errorf("Status.Err is %v, want core.ErrClosed", err)
		}
		close(reg.release)
	})
}

func TestDiscovery_ManyServicesStartAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := newRollcall()
		d := discover(t, reg, DiscoveryOptions{})
		for range 8 {
			go func() {
				for _, name := range []string{"a", "b", "c"} {
					d.Endpoints(name)
				}
			}()
		}
		synctest.Wait()
		if n := reg.listed(); n != 3 {
			t.Errorf("three services asked for by 8 goroutines made %d lists, want 3", n)
		}
	})
}
