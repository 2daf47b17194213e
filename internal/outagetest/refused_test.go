package outagetest

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/internal/etcdtest"
)

// badPush is one value that can't be served, and the right one after it.
type badPush struct {
	name, key, bad string
	again          string
	hasIt          func(n *node) bool // the value of again is served
	path           string             // of the binding
}

var badPushes = []badPush{
	{"bad JSON", pricingKey, `{"currency": "EUR", "percent": 77`, `{"currency": "EUR", "percent": 20}`, func(n *node) bool { return n.pricing.Get().Percent == 20 }, "pricing"},
	{"wrong type", maxItemsKey, "seventy-seven", "8", func(n *node) bool { return n.items() == 8 }, "limits"},
	{"blank", maxItemsKey, "", "8", func(n *node) bool { return n.items() == 8 }, "limits"},
	{"blank document", pricingKey, " \n", `{"currency": "EUR", "percent": 20}`, func(n *node) bool { return n.pricing.Get().Percent == 20 }, "pricing"},
	{"refused by its rules", maxItemsKey, "0", "8", func(n *node) bool { return n.items() == 8 }, "limits"},
}

// A pushed value that can't be right changes nothing but what is said about it.
func TestBadValuePushed_LastGoodKept_CacheUntouched_Row20(t *testing.T) {
	server := etcdtest.Start(t, etcdtest.Options{})
	for _, push := range badPushes {
		t.Run(push.name, func(t *testing.T) {
			clause := push.name + " pushed"
			b := backend{t, server.Client(t)}
			n := startCached(t, b, server, t.TempDir())
			n.flush()
			was := readFolder(t, n.opts.dir)
			before := n.svc.Config().Status()

			pushed := time.Now()
			b.put(push.key, push.bad)
			measure(t, clause, pushed, goal{"it is refused", time.Second, func() bool { return refusalOf(n, push.path) != nil }})
			n.flush()
			if n.items() != firstItems || n.pricing.Get() != (pricing{Currency: "EUR", Percent: 19}) {
				t.Errorf("limits %+v, pricing %+v; want the last good ones", n.limits.Get(), n.pricing.Get())
			}
			for _, v := range n.svc.Config().Status().Values {
				if v.Level != core.Live {
					t.Errorf("%s is at %v; a refused value does not change the level live", v.Path, v.Level)
				}
			}
			err := refusalOf(n, push.path).Error()
			if name := strings.TrimPrefix(push.key, configPrefix); !strings.Contains(err, name) && !strings.Contains(err, "max_items") && !strings.Contains(err, "MaxItems") {
				t.Errorf("%q does not name the key %s", err, name)
			}
			if strings.Contains(err, "77") || strings.Contains(err, "seventy") {
				t.Errorf("%q holds the value", err)
			}
			if s := n.svc.Status(); !s.Degraded || s.Level != core.Live {
				t.Errorf("degraded %v at level %v; want true, live", s.Degraded, s.Level)
			}
			if after := n.svc.Config().Status(); after.Lists != before.Lists {
				t.Errorf("the bad value led to %d lists", after.Lists-before.Lists)
			}
			mustBeUntouched(t, n.opts.dir, was)

			pushed = time.Now()
			b.put(push.key, push.again)
			measure(t, clause, pushed, goal{"the right value after it is served", time.Second, func() bool {
				return push.hasIt(n) && refusalOf(n, push.path) == nil
			}})
			n.mustBeWell(t)
		})
	}
}

// A key that is deleted while all is well is gone: the value in code is served.
func TestKeyDeleted_TheDefault(t *testing.T) {
	server := etcdtest.Start(t, etcdtest.Options{})
	b := backend{t, server.Client(t)}
	dir := t.TempDir()
	n := startCached(t, b, server, dir)
	deleted := time.Now()
	b.remove(maxItemsKey)
	measure(t, "key deleted", deleted, goal{"the default is served", time.Second, func() bool { return n.items() == defaultItems }})
	if v := n.limits.Status(); v.Level != core.Default || v.Err != nil || v.Revision != "" {
		t.Errorf("limits are at %v (%v), revision %q; want default", v.Level, v.Err, v.Revision)
	}
	if n.pricing.Get().Percent != 19 || n.pricing.Status().Level != core.Live {
		t.Errorf("pricing is %+v at %v; it was not deleted", n.pricing.Get(), n.pricing.Status().Level)
	}
	n.close()

	server.Kill()
	again := startNode(t, nodeOptions{name: "orders", endpoints: server.Endpoints(), dir: dir})
	if v := again.limits.Status(); again.items() != defaultItems || v.Level != core.Default {
		t.Errorf("the next start serves %d at %v; what was deleted must not come back from the cache", again.items(), v.Level)
	}
}

// A value that was pushed while the service was down, and can't be right, does
// not cost the last accepted one: that comes from the cache, which stays.
func TestBadValuePushedWhileDown_LastAcceptedFromCache_Row1_Row20(t *testing.T) {
	server := etcdtest.Start(t, etcdtest.Options{})
	for _, push := range badPushes {
		t.Run(push.name, func(t *testing.T) {
			b := backend{t, server.Client(t)}
			dir := t.TempDir()
			startCached(t, b, server, dir).close()
			was := readFolder(t, dir)

			b.put(push.key, push.bad)
			n := startNode(t, nodeOptions{name: "orders", endpoints: server.Endpoints(), dir: dir})
			if n.items() != firstItems || n.pricing.Get() != (pricing{Currency: "EUR", Percent: 19}) {
				t.Errorf("Start and Bind returned with limits %+v, pricing %+v; want the last accepted ones", n.limits.Get(), n.pricing.Get())
			}
			report(t, push.name+" pushed while down", "Start and Bind have the last accepted value", time.Since(n.began), 2*time.Second)
			eventually(t, "it is refused, and the config is live", func() bool { return refusalOf(n, push.path) != nil && n.configLive() })
			for _, v := range n.svc.Config().Status().Values {
				want := core.Live
				if v.Path == push.path {
					want = core.Cached
				}
				if v.Level != want {
					t.Errorf("%s is at %v; want %v", v.Path, v.Level, want)
				}
			}
			if n.items() != firstItems || n.pricing.Get().Percent != 19 {
				t.Errorf("limits %+v, pricing %+v; want the last accepted ones", n.limits.Get(), n.pricing.Get())
			}
			if !n.svc.Status().Degraded {
				t.Error("a refused value is not degraded")
			}
			n.close()
			mustBeUntouched(t, dir, was)
		})
	}
}

// startCached starts a service with first values from a server that is well, and
// returns when they are served.
func startCached(t *testing.T, b backend, server *etcdtest.Server, dir string) *node {
	t.Helper()
	b.put(maxItemsKey, "7")
	b.put(pricingKey, `{"currency": "EUR", "percent": 19}`)
	n := startNode(t, nodeOptions{name: "orders", endpoints: server.Endpoints(), dir: dir})
	eventually(t, "the first values are served", rightly(n, firstItems, 19))
	eventually(t, "no binding waits", func() bool { return n.limits.Status().Level == core.Live && n.pricing.Status().Level == core.Live })
	return n
}

// refusalOf returns why the newest value of a binding is refused.
func refusalOf(n *node, path string) error {
	if path == "pricing" {
		return n.pricing.Status().Err
	}
	return n.limits.Status().Err
}
