package holdfast_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	cache "github.com/holdfast-go/holdfast/cachestore/memory"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/drivers/memory"
)

func TestSeed_IsServedWhileTheBackendIsDead(t *testing.T) {
	store := cache.New()
	backend := memory.New(memory.Options{})
	defer backend.Close()
	backend.Cut()
	source, registry := backend.ConfigSource("/config/orders/"), backend.Registry()
	dayAgo := time.Now().Add(-24 * time.Hour)
	if _, err := holdfast.SeedConfig(t.Context(), store, holdfast.ConfigSeed{
		Origin: source.Origin(), CacheScope: "eu", SavedAt: dayAgo,
		Keys: map[string][]byte{"limits/max_items": []byte("7"), "greeting.yaml": []byte("text: hello"), "a/b/c": []byte("deep")},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := holdfast.SeedConfig(t.Context(), store, holdfast.ConfigSeed{
		Origin: source.Origin(), Keys: map[string][]byte{"limits/max_items": []byte("8")},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := holdfast.SeedEndpoints(t.Context(), store, holdfast.EndpointsSeed{
		Origin: registry.Origin(), CacheScope: "eu", Service: "inventory",
		Instances: []core.Instance{{ID: "i-1", Endpoints: []string{"http://10.0.0.7:8080"}}},
	}); err != nil {
		t.Fatal(err)
	}
	svc, err := holdfast.Start(t.Context(), holdfast.Options{
		Name: "orders", Config: source, Registry: registry, Cache: store, CacheScope: "eu", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := svc.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	type limits struct{ MaxItems int }
	l, err := holdfast.Bind(svc.Config(), "limits", limits{MaxItems: 100})
	if err != nil {
		t.Fatal(err)
	}
	type greeting struct{ Text string }
	g, err := holdfast.Bind(svc.Config(), "greeting", greeting{})
	if err != nil {
		t.Fatal(err)
	}
	if st := l.Status(); l.Get().MaxItems != 7 || st.Level != core.Cached || st.Age < 23*time.Hour {
		t.Errorf("limits are %+v: %+v", l.Get(), st)
	}
	if g.Get().Text != "hello" || g.Status().Level != core.Cached {
		t.Errorf("greeting is %+v at %v", g.Get(), g.Status().Level)
	}
	inventory := svc.Endpoints("inventory")
	if err := inventory.WaitLevel(t.Context(), core.Cached); err != nil {
		t.Fatal(err)
	}
	if in := inventory.Instances(); len(in) != 1 || in[0].ID != "i-1" {
		t.Errorf("instances: %+v", in)
	}
}

func TestSeed_RefusesWhatCannotBeServed(t *testing.T) {
	store := cache.New()
	keys := map[string][]byte{"limits/max_items": []byte("7")}
	for says, seed := range map[string]holdfast.ConfigSeed{
		"origin is empty":          {Keys: keys},
		"no keys":                  {Origin: "memory /c/"},
		`"other" has no key`:       {Origin: "memory /c/", Keys: keys, Paths: []string{"limits", "other"}},
		"belongs to none":          {Origin: "memory /c/", Keys: keys, Paths: []string{"limit"}},
		`"limits/max_items" belon`: {Origin: "memory /c/", Keys: map[string][]byte{"limits/max_items": nil, "a": nil}, Paths: []string{"a"}},
	} {
		_, err := holdfast.SeedConfig(t.Context(), store, seed)
		if !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v; want ErrInvalid that says %q", err, says)
		}
	}
	in := core.Instance{ID: "i", Endpoints: []string{"http://10.0.0.7:8080"}}
	foreign := in
	foreign.Service = "payments"
	for says, seed := range map[string]holdfast.EndpointsSeed{
		"origin is empty": {Service: "inventory", Instances: []core.Instance{in}},
		"service is":      {Origin: "memory", Instances: []core.Instance{in}},
		"no instances":    {Origin: "memory", Service: "inventory"},
		"another service": {Origin: "memory", Service: "inventory", Instances: []core.Instance{foreign}},
		"two instances":   {Origin: "memory", Service: "inventory", Instances: []core.Instance{in, in}},
		"invalid":         {Origin: "memory", Service: "inventory", Instances: []core.Instance{{}}},
	} {
		_, err := holdfast.SeedEndpoints(t.Context(), store, seed)
		if !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v; want ErrInvalid that says %q", err, says)
		}
	}
	if st := store.Stats(); st.Records != 0 {
		t.Errorf("%d records were written", st.Records)
	}
}

func TestSeed_ReplacesWhatIsThereOnlyWhenAsked(t *testing.T) {
	store := cache.New()
	seed := holdfast.ConfigSeed{Origin: "memory /c/", Keys: map[string][]byte{"limits/max_items": []byte("7")}}
	first, err := holdfast.SeedConfig(t.Context(), store, seed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holdfast.SeedConfig(t.Context(), store, seed); !errors.Is(err, core.ErrConflict) {
		t.Errorf("%v; want ErrConflict", err)
	}
	seed.Replace, seed.Keys = true, map[string][]byte{"other": []byte("1")}
	second, err := holdfast.SeedConfig(t.Context(), store, seed)
	if err != nil || first != second {
		t.Errorf("buckets %q and %q, %v", first, second, err)
	}
	if _, err := store.Get(t.Context(), first, "limits"); !errors.Is(err, core.ErrNotFound) {
		t.Errorf("what was there before: %v", err)
	}
}
