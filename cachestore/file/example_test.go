package file_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-go/holdfast/cachestore/file"
	"github.com/holdfast-go/holdfast/core"
)

func ExampleNew() {
	base, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(base) }()

	ctx := context.Background()
	store := file.New(filepath.Join(base, "orders"), file.Options{})
	defer func() { _ = store.Close() }()

	err = store.Write(ctx, "profiles", core.Batch{Put: []core.Record{
		{Key: "ann", Value: []byte(`{"name":"Ann"}`), SavedAt: time.Now()},
		{Key: "bob", Value: []byte(`{"name":"Bob"}`), SavedAt: time.Now()},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for record, err := range store.All(ctx, "profiles") {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s: %s\n", record.Key, record.Value)
	}
	// Output:
	// ann: {"name":"Ann"}
	// bob: {"name":"Bob"}
}

// A service that must not leave its configuration on disk in plain text gives a
// key, which it takes from where it keeps its other secrets.
func ExampleNew_encrypted() {
	key := []byte("32 random bytes from your vault!")
	store := file.New("cache", file.Options{Key: key})
	// New touches nothing; the first call makes the folder.
	fmt.Println(store.Close())
	// Output: <nil>
}

// A person, or a readiness job, looks at the cache of a service that runs.
func ExampleInspect() {
	base, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(base) }()

	ctx := context.Background()
	store := file.New(base, file.Options{})
	defer func() { _ = store.Close() }()
	err = store.Write(ctx, "profiles", core.Batch{Put: []core.Record{{Key: "ann", Value: []byte(`{"name":"Ann"}`)}}})
	if err != nil {
		fmt.Println(err)
		return
	}

	folder, err := file.Inspect(base, file.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = folder.Close() }()
	buckets, err := folder.Buckets(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, b := range buckets {
		fmt.Printf("%s: %d record, generation %d, damage: %v\n", b.Name, b.Records, b.Generation, b.Err)
	}
	// Output: profiles: 1 record, generation 1, damage: <nil>
}
