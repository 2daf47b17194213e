package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"

	"github.com/holdfast-go/holdfast"
	cache "github.com/holdfast-go/holdfast/cachestore/memory"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
	"github.com/holdfast-go/holdfast/policy"
)

type limits struct {
	MaxItems int `mapstructure:"max_items" validate:"min=1"`
}

// bubble runs a service on a backend in a synctest bubble.
func bubble(t *testing.T, f func(t *testing.T, b *memory.Backend, svc *holdfast.Service)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New(memory.Options{})
		defer b.Close()
		b.Put("/config/orders/limits/max_items", []byte("7"))
		svc, err := holdfast.Start(t.Context(), holdfast.Options{
			Name: "orders", Version: "1.4.2", Registry: b.Registry(), Config: b.ConfigSource("/config/orders/"), Cache: cache.New(),
			Policy: policy.Must(policy.Timeout{}, policy.Retry{}, policy.Breaker{}, policy.Timeout{}),
			Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := svc.Close(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		}()
		f(t, b, svc)
	})
}

func bind(t *testing.T, svc *holdfast.Service, path string) {
	t.Helper()
	if _, err := holdfast.Bind(svc.Config(), path, limits{MaxItems: 100}); err != nil {
		t.Fatal(err)
	}
}

func announce(t *testing.T, svc *holdfast.Service) *holdfast.Announcement {
	t.Helper()
	a, err := svc.Announce(core.Instance{ID: "one", Endpoints: []string{"http://192.0.2.1:80"}})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return a
}

func registered(t *testing.T, svc *holdfast.Service, opts Options) *prometheus.Registry {
	t.Helper()
	c, err := New(svc, opts)
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(c)
	return reg
}

// scraped returns the text of a scrape, by series.
func scraped(t *testing.T, reg prometheus.Gatherer) map[string]string {
	t.Helper()
	series := make(map[string]string)
	for line := range strings.Lines(scrapedText(t, reg)) {
		if !strings.HasPrefix(line, "#") {
			i := strings.LastIndexByte(line, ' ')
			series[strings.TrimPrefix(line[:i], "holdfast_")] = strings.TrimSpace(line[i:])
		}
	}
	return series
}

func scrapedText(t *testing.T, reg prometheus.Gatherer) string {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}

// want compares some series; "" is none.
func want(t *testing.T, reg prometheus.Gatherer, series map[string]string) {
	t.Helper()
	got := scraped(t, reg)
	for name, value := range series {
		if got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
	if t.Failed() {
		var all []string
		for name, value := range got {
			all = append(all, name+" "+value)
		}
		slices.Sort(all)
		t.Log(strings.Join(all, "\n"))
	}
}

func TestCollector_ShowsAHealthyService(t *testing.T) {
	bubble(t, func(t *testing.T, _ *memory.Backend, svc *holdfast.Service) {
		bind(t, svc, "limits")
		svc.Endpoints("inventory")
		announce(t, svc)
		time.Sleep(2 * time.Second) // the cache is written behind
		synctest.Wait()
		want(t, registered(t, svc, Options{Phases: func() (string, []string) { return "ready", []string{"starting", "ready"} }}), map[string]string{
			"level": "1", "degraded": "0", `backend_up{backend="config"}`: "1", `backend_up{backend="registry"}`: "1",
			"start_time_seconds": "9.466848e+08",
			"config_level":       "1", "config_keys": "1", "config_keys_held": "0", "config_keys_unreadable": "0", "config_values_refused": "0", "config_lists_total": "1",
			`config_value_level{path="limits"}`: "1", `config_value_refused_total{path="limits"}`: "",
			`endpoints_level{peer_service="inventory"}`: "1", `endpoints_instances{peer_service="inventory"}`: "0", `endpoints_instances_up{peer_service="inventory"}`: "0",
			`announcement_registered{announced_service="orders",instance_id="one"}`:          "1",
			`announcement_registrations_total{announced_service="orders",instance_id="one"}`: "1",
			"cache_up": "1", "cache_write_errors_total": "0", "cache_pending_records": "0",
			`events_total{kind="registered"}`: "1", `events_total{kind="panic"}`: "0",
			`policy_breaker_state{chain="backend",layer="breaker",state="closed"}`: "1", `policy_breaker_state{chain="backend",layer="breaker",state="open"}`: "0",
			`policy_retries_total{chain="backend",layer="retry"}`: "0", `policy_timeouts_total{chain="backend",layer="timeout"}`: "0", `policy_timeouts_total{chain="backend",layer="timeout_2"}`: "0",
			`lifecycle_phase{phase="ready"}`: "1", `lifecycle_phase{phase="starting"}`: "0",
		})
	})
}

func TestCollector_ShowsAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T, b *memory.Backend, svc *holdfast.Service) {
		bind(t, svc, "limits")
		svc.Endpoints("inventory")
		announce(t, svc)
		reg := registered(t, svc, Options{})
		b.Cut()
		time.Sleep(time.Minute)
		synctest.Wait()
		want(t, reg, map[string]string{
			"level": "2", "degraded": "1", `backend_up{backend="config"}`: "0", `backend_up{backend="registry"}`: "0",
			"config_level": "2", `config_value_level{path="limits"}`: "2", `endpoints_level{peer_service="inventory"}`: "2",
			`announcement_registered{announced_service="orders",instance_id="one"}`:   "0",
			`announcement_losses_total{announced_service="orders",instance_id="one"}`: "1",
			`events_total{kind="lost"}`: "1",
		})
		got := scraped(t, reg)
		for _, name := range []string{"config_age_seconds", `config_value_age_seconds{path="limits"}`, `endpoints_age_seconds{peer_service="inventory"}`} {
			var age float64
			if _, err := fmt.Sscan(got[name], &age); err != nil || age < 55 || age > 65 {
				t.Errorf("%s is %q after a minute", name, got[name])
			}
		}
		if n := got[`policy_retries_total{chain="backend",layer="retry"}`]; n == "0" || n == "" {
			t.Errorf("%q retries in an outage", n)
		}
		b.Heal()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		want(t, reg, map[string]string{"level": "1", "degraded": "0", `backend_up{backend="config"}`: "1", `backend_up{backend="registry"}`: "1"})
	})
}

func TestCollector_ShowsAClosedServiceAsItWas(t *testing.T) {
	bubble(t, func(t *testing.T, _ *memory.Backend, svc *holdfast.Service) {
		bind(t, svc, "limits")
		announce(t, svc)
		reg := registered(t, svc, Options{})
		if err := svc.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		want(t, reg, map[string]string{
			"config_keys": "1", "config_level": "2", `backend_up{backend="config"}`: "0",
			`announcement_registered{announced_service="orders",instance_id="one"}`: "",
		})
	})
}

func TestCollector_ShowsARefusal(t *testing.T) {
	bubble(t, func(t *testing.T, b *memory.Backend, svc *holdfast.Service) {
		bind(t, svc, "limits")
		b.Put("/config/orders/limits/max_items", []byte("secret"))
		synctest.Wait()
		reg := registered(t, svc, Options{})
		want(t, reg, map[string]string{
			"degraded": "1", "config_values_refused": "1", `config_value_refused_total{path="limits"}`: "1", `config_value_level{path="limits"}`: "1",
			`events_total{kind="refused"}`: "1",
		})
		if text := scrapedText(t, reg); strings.Contains(text, "secret") {
			t.Errorf("a scrape tells a value:\n%s", text)
		}
	})
}

func TestCollector_ShowsOnlyOpenAnnouncements(t *testing.T) {
	bubble(t, func(t *testing.T, _ *memory.Backend, svc *holdfast.Service) {
		reg := registered(t, svc, Options{})
		for range 3 {
			if err := announce(t, svc).Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for name := range scraped(t, reg) {
			if strings.HasPrefix(name, "announcement") {
				t.Errorf("there is %s of what was closed", name)
			}
		}
		announce(t, svc)
		announce(t, svc) // the same ID: a conflict, and one series
		want(t, reg, map[string]string{`announcement_registered{announced_service="orders",instance_id="one"}`: "1"})
	})
}

// checks are the results of a fake.
type checks func(f func(string, bool, time.Duration, time.Time))

func (c checks) EachCheck(f func(string, bool, time.Duration, time.Time)) { c(f) }

func TestCollector_ShowsChainsFallbacksAndChecks(t *testing.T) {
	down := errors.New("down")
	bubble(t, func(t *testing.T, _ *memory.Backend, svc *holdfast.Service) {
		users := policy.Must(policy.Retry{}, policy.Breaker{MinCalls: 3, OpenFor: time.Hour}, policy.Bulkhead{}, policy.Hedge{})
		get := policy.Try(users, func(_ context.Context, id string) (string, error) {
			if id == "7" {
				return "seven", nil
			}
			return "", down
		}).ThenCached(cache.New(), "users").ThenDefault("guest").Must()
		defer func() { _ = get.Close(context.WithoutCancel(t.Context())) }()
		for _, id := range []string{"7", "8", "8"} {
			if _, _, err := get.Get(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		reg := registered(t, svc, Options{
			Chains: map[string]*policy.Chain{"users": users, "none": nil}, Fallbacks: map[string]Fallback{"profiles": get},
			Checks: checks(func(f func(string, bool, time.Duration, time.Time)) {
				f("db", true, 20*time.Millisecond, time.Now())
				f("db", false, 0, time.Now())
				f("later", false, 0, time.Time{})
				f("queue", false, time.Second, time.Now())
			}),
		})
		want(t, reg, map[string]string{
			`fallback_answers_total{fallback="profiles",level="live"}`: "1", `fallback_answers_total{fallback="profiles",level="default"}`: "2",
			`fallback_answers_total{fallback="profiles",level="cached"}`: "0", `fallback_errors_total{fallback="profiles",level="live"}`: "2",
			`fallback_unanswered_total{fallback="profiles"}`: "0", `fallback_cache_entries{fallback="profiles"}`: "1",
			`policy_calls_total{chain="users"}`: "3", `policy_calls_total{chain="none"}`: "0", `policy_calls_in_flight{chain="users"}`: "0",
			`policy_breaker_state{chain="users",layer="breaker",state="open"}`: "1", `policy_breaker_state{chain="users",layer="breaker",state="half-open"}`: "0",
			`check_up{check="db"}`: "1", `check_duration_seconds{check="db"}`: "0.02", `check_up{check="queue"}`: "0", `check_up{check="later"}`: "",
		})
	})
}

// TestCollector_SurvivesHostileNames: one label that is not UTF-8 would cost the
// whole scrape.
func TestCollector_SurvivesHostileNames(t *testing.T) {
	c := &Collector{families: newFamilies(), versions: [8]string{"go_version", "", "holdfast_version", "", "service", "\xff", "service_version", ""}}
	c.status = func() holdfast.Status {
		return holdfast.Status{
			Config:        holdfast.ConfigStatus{Origin: "x", Values: []holdfast.ValueStatus{{Path: "a\xff"}, {Path: "a\xfe"}}},
			Endpoints:     []holdfast.EndpointsStatus{{Service: "\xff"}},
			Announcements: []holdfast.AnnouncementStatus{{Instance: core.Instance{ID: "\x00\xff"}}},
			Events:        map[holdfast.EventKind]uint64{"new": 1},
		}
	}
	reg := prometheus.NewPedanticRegistry()
	prometheus.WrapRegistererWith(prometheus.Labels{"a": "first", "z": "last"}, reg).MustRegister(c)
	want(t, reg, map[string]string{
		`config_value_level{a="first",path="\"a\\xff\"",z="last"}`: "7", `config_value_level{a="first",path="\"a\\xfe\"",z="last"}`: "7",
		`endpoints_instances{a="first",peer_service="\"\\xff\"",z="last"}`: "0", `events_total{a="first",kind="new",z="last"}`: "1",
	})
}

func TestCollector_PassesTheLinterOfPromtool(t *testing.T) {
	bubble(t, func(t *testing.T, _ *memory.Backend, svc *holdfast.Service) {
		bind(t, svc, "limits")
		svc.Endpoints("inventory")
		announce(t, svc)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		every := policy.Must(policy.Retry{}, policy.Hedge{}, policy.Breaker{}, policy.RateLimit{}, policy.Bulkhead{}, policy.Timeout{})
		get := policy.Try(every, func(context.Context, string) (int, error) { return 1, nil }).ThenCached(cache.New(), "n").Must()
		defer func() { _ = get.Close(context.WithoutCancel(t.Context())) }()
		c, err := New(svc, Options{
			Chains: map[string]*policy.Chain{"every": every}, Fallbacks: map[string]Fallback{"n": get},
			Phases: func() (string, []string) { return "ready", []string{"ready"} },
			System: sampled(t),
			Checks: checks(func(f func(string, bool, time.Duration, time.Time)) { f("db", true, 0, time.Now()) }),
		})
		if err != nil {
			t.Fatal(err)
		}
		c.status = func() holdfast.Status { // with what is left out where it is zero
			st := svc.Status()
			st.Config.Values[0].Refused, st.Endpoints[0].Held = 1, make([]holdfast.Suspect, 1)
			st.Endpoints[0].Ejected = make([]holdfast.Ejected, 1)
			return st
		}
		reg := prometheus.NewPedanticRegistry()
		reg.MustRegister(c)
		text := scrapedText(t, reg)
		problems, err := promlint.New(strings.NewReader(text)).Lint()
		if err != nil || len(problems) > 0 {
			t.Errorf("%v, %v in\n%s", problems, err, text)
		}
		for _, name := range names(t, c) {
			if !strings.Contains(text, "\n"+name) {
				t.Errorf("%s is described, but never shown", name)
			}
		}
	})
}

// names are those of the described metrics.
func names(t *testing.T, c *Collector) []string {
	t.Helper()
	name := regexp.MustCompile(`fqName: "([a-z_]+)"`)
	var all []string
	for _, f := range c.all {
		all = append(all, name.FindStringSubmatch(f.desc.String())[1])
	}
	return all
}

// TestDocs_NameEveryMetric compares docs/metrics.md with what there is.
func TestDocs_NameEveryMetric(t *testing.T) {
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(holdfast_[a-z_]+)").FindAllSubmatch(page, -1) {
		documented = append(documented, string(m[1]))
	}
	described := names(t, &Collector{families: newFamilies()})
	slices.Sort(documented)
	slices.Sort(described)
	if !slices.Equal(documented, described) {
		t.Errorf("documented are\n%v\nthere are\n%v", documented, described)
	}
}

// TestKinds_AreAll compares the kinds shown from the start with the constants.
func TestKinds_AreAll(t *testing.T) {
	src, err := os.ReadFile("../event.go")
	if err != nil {
		t.Fatal(err)
	}
	constants := regexp.MustCompile(`(?m)^\tEvent\w+ +EventKind = "(\w+)"`).FindAllSubmatch(src, -1)
	if len(constants) != len(kinds) {
		t.Errorf("there are %d constants and %d kinds", len(constants), len(kinds))
	}
	for _, c := range constants {
		if !slices.Contains(kinds[:], holdfast.EventKind(c[1])) {
			t.Errorf("%s is missing", c[1])
		}
	}
}

func TestNew_RefusesMistakesOfTheProgram(t *testing.T) {
	bubble(t, func(t *testing.T, _ *memory.Backend, svc *holdfast.Service) {
		for name, row := range map[string]struct {
			svc  *holdfast.Service
			opts Options
		}{
			"no service":      {nil, Options{}},
			"the taken chain": {svc, Options{Chains: map[string]*policy.Chain{BackendChain: nil}}},
			"nil fallback":    {svc, Options{Fallbacks: map[string]Fallback{"x": nil}}},
		} {
			if c, err := New(row.svc, row.opts); !errors.Is(err, core.ErrInvalid) || c != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
