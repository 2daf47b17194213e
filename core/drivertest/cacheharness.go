package drivertest

import (
	"testing"

	"github.com/holdfast-go/holdfast/core"
)

// CacheHarness connects [TestCacheStore] to a cache store. Open is required.
type CacheHarness struct {
	// Open makes an empty store for one case.
	Open func(t testing.TB) CacheArea

	// MaxValue is how many bytes a value may have at least. Default 1 MiB.
	MaxValue int

	// Many is the number of records in the case of a large batch. Default 10,000.
	Many int
}

// CacheArea is an empty store, made for one case. Store is required.
type CacheArea struct {
	// Store is the store under test. The kit closes it.
	Store core.CacheStore

	// Reopen makes a new store on what an earlier one of this area left behind. It
	// is called after that was closed. The kit closes what it returns. Nil if the
	// store keeps nothing beyond Close.
	Reopen func(t testing.TB) core.CacheStore

	// Damage spoils the stored bytes of one record, as a failing disk would: every
	// copy of it that the store could fall back to. More than that record may be
	// harmed. It is called after Close and before Reopen.
	Damage func(t testing.TB, bucket, key string)
}
