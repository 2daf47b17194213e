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

func TestStore_TellsWhatItHolds(t *testing.T) {
	s := memory.New()
	write := func(bucket string, b core.Batch) {
		t.Helper()
		if err := s.Write(t.Context(), bucket, b); err != nil {
			t.Fatal(err)
		}
	}
	write("a", core.Batch{Put: []core.Record{{Key: "k", Value: []byte("12345")}, {Key: "l"}}})
	write("b", core.Batch{Put: []core.Record{{Key: "k", Value: []byte("1")}}})
	write("a", core.Batch{Delete: []string{"l"}, Put: []core.Record{{Key: "k", Value: []byte("123")}}})
	st := s.Stats()
	if st.Buckets != 2 || st.Records != 2 || st.Bytes != 6 || st.Writes != 3 || st.LastWrite.IsZero() || st.FreeBytes != -1 {
		t.Errorf("%+v", st)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Buckets != 0 || st.Records != 0 || st.Bytes != 0 || st.Writes != 3 {
		t.Errorf("after Close: %+v", st)
	}
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
