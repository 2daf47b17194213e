package memory_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/cachestore/memory"
	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/drivertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore_Conforms(t *testing.T) {
	drivertest.TestCacheStore(t, drivertest.CacheHarness{
		Open: func(testing.TB) drivertest.CacheArea { return drivertest.CacheArea{Store: memory.New()} },
	})
}

func ExampleNew() {
	store := memory.New()
	defer func() { _ = store.Close() }()
	ctx := context.Background()
	err := store.Write(ctx, "profiles", core.Batch{Put: []core.Record{
		{Key: "42", Value: []byte(`{"name":"Ada"}`), SavedAt: time.Now()},
	}})
	if err != nil {
		fmt.Println(err)
	}
	rec, err := store.Get(ctx, "profiles", "42")
	fmt.Println(string(rec.Value), err)
	_, err = store.Get(ctx, "profiles", "43")
	fmt.Println(err)
	// Output:
	// {"name":"Ada"} <nil>
	// memory cache: get 43: not found
}
