package badger_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-go/holdfast/cachestore/badger"
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
	store := badger.New(filepath.Join(base, "orders"), badger.Options{})
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
	fmt.Println(store.Stats().Records, "records")
	// Output:
	// ann: {"name":"Ann"}
	// bob: {"name":"Bob"}
	// 2 records
}

// To change the key, a service starts once with the new one and the old one.
func ExampleOptions_oldKeys() {
	store := badger.New("cache", badger.Options{
		Key:     []byte("32 random bytes from your vault!"),
		OldKeys: [][]byte{[]byte("32 random bytes of last summer!!")},
	})
	// New touches nothing; the first call makes the folder.
	fmt.Println(store.Close())
	// Output: <nil>
}
