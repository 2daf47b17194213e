package badger

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
)

// salvage copies the newest version of each key from a folder that Badger should
// not open into a new one at dir. It does not judge: what is missing or wrong is
// found when a bucket is compared with its head.
func salvage(ctx context.Context, from *survey, orphans bool, dir string, key []byte, log *slog.Logger) error {
	seed := maphash.MakeSeed()
	newest := make(map[uint64]uint64)
	err := from.each(orphans, func(it item) bool {
		h := maphash.Bytes(seed, it.key)
		newest[h] = max(newest[h], it.at)
		return ctx.Err() == nil
	})
	if err != nil {
		return err
	}
	db, err := openDatabase(dir, key, log)
	if err != nil {
		return fmt.Errorf("make a new folder: %w", err)
	}
	var failed error
	c := &change{}
	flush := func() bool {
		failed = db.commit(c)
		c.reset()
		return failed == nil
	}
	err = from.each(orphans, func(it item) bool {
		if it.at != newest[maphash.Bytes(seed, it.key)] || it.meta&^inTransaction != 0 || !known(it.key) || len(it.value) > valueThreshold {
			return true
		}
		if ctx.Err() != nil {
			failed = context.Cause(ctx)
			return false
		}
		if !db.fits(c, len(it.key)+len(it.value)) && !flush() {
			return false
		}
		c.set(append([]byte(nil), it.key...), append([]byte(nil), it.value...))
		return true
	})
	if err == nil && failed == nil {
		flush()
	}
	closed := db.close()
	switch {
	case err != nil:
		return err
	case failed != nil:
		return failed
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return closed
}
