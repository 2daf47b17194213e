package badger

import (
	"log/slog"
	"time"

	engine "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// Badger's defaults are made for servers of a database: a sparse file of 2 GiB
// and 126 MB of memory for 100,000 small records. These make it small.
const (
	memTableSize   = 2 << 20 // a seventh of it is the largest transaction
	valueLogSize   = 1 << 20 // nothing is ever written to the value log
	tableSize      = 1 << 20 // its builder takes the next power of two of twice that
	levelSize      = 32 << 20
	levelZero      = 32        // tables that wait: each compaction costs memory, and two sets of 100,000 records fit
	valueThreshold = 256 << 10 // larger ones would go to the value log; parts are smaller

	inlineValue = 32 << 10 // a longer value is stored in parts
	partLength  = 64 << 10
)

// tuned returns how Badger is opened. A transaction is durable when it returns.
func tuned(dir string, key []byte, log *slog.Logger) engine.Options {
	o := engine.DefaultOptions(dir).
		WithSyncWrites(true).
		WithLogger(bridge{log}).
		WithMetricsEnabled(false).
		WithDetectConflicts(false).
		WithNumGoroutines(1).
		WithMemTableSize(memTableSize).
		WithNumMemtables(1).
		WithBlockSize(16 << 10). // less of it is index
		WithValueLogFileSize(valueLogSize).
		WithValueThreshold(valueThreshold).
		WithBaseTableSize(tableSize).
		WithBaseLevelSize(levelSize).
		WithNumLevelZeroTables(levelZero).
		WithNumLevelZeroTablesStall(levelZero + 8).
		WithNumCompactors(2). // one is refused
		WithCompactL0OnClose(true).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithIndexCacheSize(0).
		// A block that does not match its checksum is left out, and the head of the
		// bucket tells that something is missing. Without this a background
		// compaction reads past the end of a damaged block, and that can't be caught.
		WithChecksumVerificationMode(options.OnBlockRead)
	if len(key) > 0 {
		// Without caches Badger refuses to encrypt.
		o = o.WithEncryptionKey(key).
			WithEncryptionKeyRotationDuration(10 * 24 * time.Hour).
			WithBlockCacheSize(1 << 20).
			WithIndexCacheSize(4 << 20)
	}
	return o
}

// margin is how much room must be left before Badger may write: it writes
// through memory maps, where a full disk is no error but the death of the
// process. Each file that may grow before the next check is counted whole: the
// logs of the memory tables (one in use, one that is flushed, one that is made,
// twice their size each), the table of a flush, the value log, the bookkeeping
// of discards, the manifest and the key registry, and what compactions write
// anew while what they replace is still there.
func margin(tables int64) int64 {
	const (
		logs    = 3 * 2 * memTableSize
		flush   = 2 * memTableSize
		vlog    = 2 * 2 * valueLogSize
		discard = 1 << 20
		small   = 1 << 20
	)
	return logs + flush + vlog + discard + small + rewritten(tables)
}

// rewritten bounds what two compactions may write beside what is there: each at
// most what waits in level zero and the level below it, and never more than all
// there is.
func rewritten(tables int64) int64 {
	const input = 2 * ((levelZero+8)*memTableSize + levelSize)
	return min(tables, input) + 2*memTableSize
}
