package badger

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

const many = 100_000

// numbered is record i of the cost tests: 200 bytes.
func numbered(i, round int) core.Record {
	v := make([]byte, 0, 200)
	for n := uint64(i)*2654435761 + uint64(round) + 1; len(v) < 200; n = n*6364136223846793005 + 1442695040888963407 {
		v = append(v, byte(n>>56), byte(n>>48), byte(n>>40), byte(n>>32))
	}
	return core.Record{Key: fmt.Sprintf("limits/key-%06d", i), Value: v, Revision: "12345", SavedAt: time.Unix(1_700_000_000, 0)}
}

// batches of records, each of size records.
func batches(size, round int, do func(core.Batch) error) error {
	for i := 0; i < many; i += size {
		var b core.Batch
		for k := i; k < i+size; k++ {
			b.Put = append(b.Put, numbered(k, round))
		}
		if err := do(b); err != nil {
			return err
		}
	}
	return nil
}

// resident returns the RSS of this process in MiB, and how much of it is backed by
// files.
func resident() (all, files float64) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	of := func(name string) float64 {
		_, rest, _ := strings.Cut(string(b), "\n"+name+":")
		var kb float64
		_, _ = fmt.Sscan(rest, &kb) // 0 where the system does not say
		return kb / 1024
	}
	return of("VmRSS"), of("RssFile") + of("RssShmem")
}

// playCost does one thing with 100,000 records and says what it took: seconds, and
// MiB of memory and of disk.
func playCost(ctx context.Context, what string) error {
	var opts Options
	what, encrypted := strings.CutSuffix(what, " encrypted")
	if encrypted {
		opts.Key = testKey
	}
	s := New("store", opts)
	start := time.Now()
	opened := time.Duration(0)
	switch what {
	case "write":
		if err := batches(1000, 0, func(b core.Batch) error { return s.Write(ctx, "b", b) }); err != nil {
			return err
		}
	case "scan", "open":
		if _, err := s.Get(ctx, "no such bucket", "k"); err == nil {
			return fmt.Errorf("there is a record")
		}
		opened = time.Since(start)
		if what == "open" {
			break
		}
		n := 0
		for _, err := range s.All(ctx, "b") {
			if err != nil {
				return err
			}
			n++
		}
		if n != many {
			return fmt.Errorf("%d records", n)
		}
	case "flip":
		var all core.Batch
		all.Reset = true
		if err := batches(many, 1, func(b core.Batch) error { all.Put = b.Put; return nil }); err != nil {
			return err
		}
		start = time.Now()
		before, _ := resident()
		if err := say(fmt.Sprintf("batch in memory %.1f MiB", before)); err != nil {
			return err
		}
		if err := s.Write(ctx, "b", all); err != nil {
			return err
		}
	}
	took := time.Since(start)
	rss, backed := resident()
	apparent, real := sizes("store")
	if err := say(fmt.Sprintf("%.3f s, opened in %.1f ms, %.1f MiB resident, disk %.1f MiB (%.1f MiB apparent; %.1f MiB resident of files)",
		took.Seconds(), float64(opened.Microseconds())/1000, rss, real, apparent, backed)); err != nil {
		return err
	}
	return s.Close()
}

// sizes returns the sizes of what is below dir in MiB: as the files say, and what
// they take.
func sizes(dir string) (apparent, real float64) {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		apparent += float64(info.Size()) / (1 << 20)
		real += allocated(info) / (1 << 20)
		return nil
	})
	return apparent, real
}

// TestStore_Costs logs what 100,000 records cost, and holds memory and disk to
// bounds. The memory is that of a test binary, some 4 MiB above that of a service;
// the times are for people, because tests share their machine.
func TestStore_Costs(t *testing.T) {
	folders := map[bool]string{false: t.TempDir(), true: t.TempDir()}
	for _, row := range []struct {
		what           string
		resident, disk float64 // MiB
	}{
		{"write", 74, 45}, {"open", 38, 45}, {"scan", 60, 45}, {"flip", 85, 90}, {"open", 38, 90}, {"scan", 60, 90},
		{"write encrypted", 82, 45}, {"open encrypted", 45, 45}, {"scan encrypted", 70, 45}, {"flip encrypted", 90, 90},
	} {
		dir := folders[strings.HasSuffix(row.what, "encrypted")]
		lines := finish(t, "cost "+row.what, dir)
		if len(lines) == 0 {
			continue
		}
		last := lines[len(lines)-1]
		t.Logf("%s: %s", row.what, strings.Join(lines, ", "))
		var took, opened, resident, disk float64
		if _, err := fmt.Sscanf(last, "%f s, opened in %f ms, %f MiB resident, disk %f", &took, &opened, &resident, &disk); err != nil {
			t.Fatalf("%q: %v", last, err)
		}
		if (resident > row.resident && !raced) || disk > row.disk {
			t.Errorf("%s: more than %.0f MiB of memory, or %.0f MiB of disk", row.what, row.resident, row.disk)
		}
	}
}
