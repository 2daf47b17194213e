package drivertest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/drivertest"
	"github.com/holdfast-go/holdfast/internal/memorykit"
)

type configUpdate = core.Update[[]byte]

// configHarness is that of the memory backend with each client broken by f.
func configHarness(f func(t testing.TB, area drivertest.ConfigArea, s *brokenSource)) drivertest.ConfigHarness {
	h := memorykit.Config(false)
	h.Patience = time.Second
	open := h.Open
	h.Open = func(t testing.TB) drivertest.ConfigArea {
		area := open(t)
		client := area.Client
		area.Client = func(t testing.TB) (core.ConfigSource, func()) {
			good, stop := client(t)
			s := &brokenSource{ConfigSource: good}
			f(t, area, s)
			return s, stop
		}
		return area
	}
	return h
}

// TestConfigSource_CatchesBrokenDrivers runs single cases on drivers that break
// one rule each.
func TestConfigSource_CatchesBrokenDrivers(t *testing.T) {
	var clients atomic.Int64
	proven := map[string]bool{}
	for _, row := range []struct {
		broken string
		cases  []string
		by     func(t testing.TB, area drivertest.ConfigArea, s *brokenSource)
	}{
		{"loads nothing below a slash", []string{"LoadReturnsTheSet"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.load = func(ctx context.Context) (configSnap, error) {
				snap, err := s.ConfigSource.Load(ctx)
				maps.DeleteFunc(snap.Items, func(k string, _ []byte) bool { return strings.Contains(k, "/") })
				return snap, err
			}
		}},
		{"loads pages at different revisions", []string{"LoadIsAtOneRevision"}, func(_ testing.TB, area drivertest.ConfigArea, s *brokenSource) {
			s.load = func(ctx context.Context) (configSnap, error) {
				first, err := s.ConfigSource.Load(ctx)
				if err != nil {
					return first, err
				}
				// However fast the other writer is.
				area.Txn(nil, map[string][]byte{"a first": []byte("between"), "z last": []byte("between")})
				second, err := s.ConfigSource.Load(ctx)
				maps.DeleteFunc(second.Items, func(k string, _ []byte) bool { return k < "m" })
				maps.Copy(second.Items, pick(first.Items, func(k string) bool { return k < "m" }))
				return second, err
			}
		}},
		{"shows neighbours", []string{"PrefixNeighbours"}, nil}, // see below
		{"cleans keys as paths", []string{"AnyTextIsAKey"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.load = func(ctx context.Context) (configSnap, error) {
				snap, err := s.ConfigSource.Load(ctx)
				clean := map[string][]byte{}
				for k, v := range snap.Items {
					clean[path.Clean(k)] = v
				}
				snap.Items = clean
				return snap, err
			}
		}},
		{"makes text of values", []string{"AnyBytesAreAValue"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.load = func(ctx context.Context) (configSnap, error) {
				snap, err := s.ConfigSource.Load(ctx)
				for k, v := range snap.Items {
					snap.Items[k] = []byte(strings.ToValidUTF8(string(v), "?"))
				}
				return snap, err
			}
		}},
		{"has an origin per client", []string{"OriginIsStable"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			n := clients.Add(1)
			s.origin = func() string { return fmt.Sprint("broken ", n) }
		}},
		{"compares anything", []string{"CompareOrdersRevisions"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.compare = func(a, b core.Revision) (int, bool) { return strings.Compare(string(a), string(b)), true }
		}},
		{"begins to watch from now on", []string{"WatchClosesTheGap"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.watch = func(ctx context.Context, _ core.Revision) configSeq {
				return func(yield func(configUpdate, error) bool) {
					now, err := s.ConfigSource.Load(ctx)
					if err != nil {
						yield(configUpdate{}, err)
						return
					}
					s.ConfigSource.Watch(ctx, now.Revision)(yield)
				}
			}
		}},
		{"swaps Updates", []string{"WatchKeepsTheOrder"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.watch = func(ctx context.Context, after core.Revision) configSeq {
				var held *configUpdate
				return each(s.ConfigSource.Watch, func(u configUpdate, err error, yield func(configUpdate, error) bool) bool {
					if err == nil && held == nil && !u.Heartbeat() {
						held = &u
						return true
					}
					ok := yield(u, err)
					if held != nil && ok && err == nil {
						ok = yield(*held, nil)
						held = nil
					}
					return ok
				})(ctx, after)
			}
		}},
		{"names the revision before its change", []string{"WatchNamesItsState"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.watch = each(s.ConfigSource.Watch, func(u configUpdate, err error, yield func(configUpdate, error) bool) bool {
				if err == nil && !yield(configUpdate{Revision: u.Revision}, nil) {
					return false
				}
				return yield(u, err)
			})
		}},
		{
			"continues from any revision", []string{
				"WatchRefusesUnknownRevision", "WatchRefusesCompactedRevision", "CompactedWhileCut", "WipedWhileCut", "WipedAndOvertakenWhileCut",
			},
			func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
				s.watch = func(ctx context.Context, after core.Revision) configSeq {
					return func(yield func(configUpdate, error) bool) {
						for u, err := range s.ConfigSource.Watch(ctx, after) {
							if errors.Is(err, core.ErrRevisionGone) {
								now, err := s.ConfigSource.Load(ctx)
								if err != nil {
									yield(configUpdate{}, err)
									return
								}
								s.ConfigSource.Watch(ctx, now.Revision)(yield)
								return
							}
							if !yield(u, err) {
								return
							}
						}
					}
				}
			},
		},
		{"splits transactions", []string{"WatchShowsTransactionsWhole"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.watch = each(s.ConfigSource.Watch, func(u configUpdate, err error, yield func(configUpdate, error) bool) bool {
				for k, v := range u.Put {
					if !yield(configUpdate{Put: map[string][]byte{k: v}, Revision: u.Revision}, nil) {
						return false
					}
				}
				u.Put = nil
				return yield(u, err)
			})
		}},
		{"hands out its own map", []string{"MapsAreTheCallers"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			var snap configSnap
			s.load = func(ctx context.Context) (configSnap, error) {
				now, err := s.ConfigSource.Load(ctx)
				if snap.Revision != now.Revision {
					snap = now
				}
				return snap, err
			}
		}},
		{"wraps the caller's cause", []string{"WatchEndsWithTheCause", "ListReturnsTheCause"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.load = func(ctx context.Context) (configSnap, error) {
				snap, err := s.ConfigSource.Load(ctx)
				return snap, wrap(err)
			}
			s.watch = each(s.ConfigSource.Watch, func(u configUpdate, err error, yield func(configUpdate, error) bool) bool {
				return yield(u, wrap(err))
			})
		}},
		{"ends without an error", []string{"WatchEndsWithTheCause"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.watch = each(s.ConfigSource.Watch, func(u configUpdate, err error, yield func(configUpdate, error) bool) bool {
				return err == nil && yield(u, nil)
			})
		}},
		{"yields two errors", []string{"WatchEndsWithTheCause"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.watch = each(s.ConfigSource.Watch, func(u configUpdate, err error, yield func(configUpdate, error) bool) bool {
				return yield(u, err) && (err == nil || yield(u, err))
			})
		}},
		{"yields an error with an Update", []string{"WatchEndsWithTheCause"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.watch = each(s.ConfigSource.Watch, func(u configUpdate, err error, yield func(configUpdate, error) bool) bool {
				if err != nil {
					u.Revision = "some"
				}
				return yield(u, err)
			})
		}},
		{"goes on where the last range stopped", []string{"WatchRangesStartAnew"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.watch = func(ctx context.Context, after core.Revision) configSeq {
				at := after
				return func(yield func(configUpdate, error) bool) {
					for u, err := range s.ConfigSource.Watch(ctx, at) {
						at = u.Revision
						if !yield(u, err) {
							return
						}
					}
				}
			}
		}},
		{
			"leaves a goroutine behind", []string{"WatchReleasesEverything", "WatchReleasesEverythingWhenCut", "WatchReleasesEverythingWhenSilent"},
			func(t testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
				s.watch = func(ctx context.Context, after core.Revision) configSeq {
					go func() { <-t.Context().Done() }()
					return s.ConfigSource.Watch(ctx, after)
				}
			},
		},
		{"connects again behind one's back", []string{"WatchEndsWhenCut", "WatchEndsWhenBrieflyCut"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.watch = func(ctx context.Context, after core.Revision) configSeq {
				return func(yield func(configUpdate, error) bool) {
					for {
						for u, err := range s.ConfigSource.Watch(ctx, after) {
							if errors.Is(err, core.ErrUnavailable) {
								break
							}
							after = u.Revision
							if !yield(u, err) || err != nil {
								return
							}
						}
						retry(ctx)
					}
				}
			}
		}},
		{"waits for a silent backend", []string{"WatchEndsWhenSilent", "WatchStartEndsWhenSilent"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.watch = func(ctx context.Context, after core.Revision) configSeq {
				return each(s.ConfigSource.Watch, func(u configUpdate, err error, yield func(configUpdate, error) bool) bool {
					if err != nil {
						<-ctx.Done()
						err = context.Cause(ctx)
					}
					return yield(u, err)
				})(ctx, after)
			}
		}},
		{"answers an outage with an empty list", []string{"ListFailsWhenCut"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.load = func(ctx context.Context) (configSnap, error) {
				snap, err := s.ConfigSource.Load(ctx)
				if errors.Is(err, core.ErrUnavailable) {
					return configSnap{Revision: "1"}, nil
				}
				return snap, err
			}
		}},
		{"has deadlines of its own", []string{"ListKeepsItsDeadlineWhenSilent"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.load = func(ctx context.Context) (configSnap, error) {
				own, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
				defer cancel()
				return s.ConfigSource.Load(own)
			}
		}},
		{"takes a refusal for an outage", []string{"DeniedIsDenied"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.load = func(ctx context.Context) (configSnap, error) {
				snap, err := s.ConfigSource.Load(ctx)
				if errors.Is(err, core.ErrDenied) {
					err = core.ErrUnavailable
				}
				return snap, err
			}
		}},
		{"conceals that it asked a replica", []string{"ListIsAReplicaWithoutQuorum"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.load = func(ctx context.Context) (configSnap, error) {
				snap, err := s.ConfigSource.Load(ctx)
				snap.Replica = false
				return snap, err
			}
		}},
		{"keeps ghosts", []string{"ListShowsTheTruthAfterAnOutage"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			ghosts := map[string][]byte{}
			s.load = func(ctx context.Context) (configSnap, error) {
				snap, err := s.ConfigSource.Load(ctx)
				if err == nil {
					maps.Copy(ghosts, snap.Items)
					maps.Copy(snap.Items, ghosts)
				}
				return snap, err
			}
		}},
		{"has no heartbeats", []string{"WatchBeats"}, func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.watch = each(s.ConfigSource.Watch, func(u configUpdate, err error, yield func(configUpdate, error) bool) bool {
				return err == nil && u.Heartbeat() || yield(u, err)
			})
		}},
		{"asks for each watch alone", []string{"IdleCost"}, func(t testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.watch = each(s.ConfigSource.Watch, func(u configUpdate, err error, yield func(configUpdate, error) bool) bool {
				_, _ = s.ConfigSource.Load(t.Context())
				return yield(u, err)
			})
		}},
	} {
		for _, name := range row.cases {
			proven[name] = true
			if row.by == nil {
				continue
			}
			t.Run(row.broken+"/"+name, func(t *testing.T) {
				caught(t, drivertest.RunConfig(t, name, configHarness(row.by)))
			})
		}
	}
	t.Run("shows neighbours/PrefixNeighbours", func(t *testing.T) {
		h := memorykit.Config(false)
		h.Patience = time.Second
		open := h.Open
		h.Open = func(t testing.TB) drivertest.ConfigArea {
			area := open(t)
			area.PutBeside = func(t testing.TB, tail string, value []byte) {
				area.Put(t, map[string][]byte{"beside" + tail: value})
			}
			return area
		}
		caught(t, drivertest.RunConfig(t, "PrefixNeighbours", h))
	})
	t.Run("can't tell histories apart/WipedAndOvertakenWhileCut", func(t *testing.T) {
		h := memorykit.Config(true)
		passed(t, drivertest.RunConfig(t, "WipedAndOvertakenWhileCut", h))
		h.BlindToHistory = ""
		caught(t, drivertest.RunConfig(t, "WipedAndOvertakenWhileCut", h))
	})
	proven["MalformedNeighbour"] = true // TestConfigSource_CatchesMishandledEntries
	everyCaseIsProven(t, proven, drivertest.ConfigCases()...)
}

func pick(items map[string][]byte, want func(key string) bool) map[string][]byte {
	out := maps.Clone(items)
	maps.DeleteFunc(out, func(k string, _ []byte) bool { return !want(k) })
	return out
}

func retry(ctx context.Context) {
	timer := time.NewTimer(time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// TestConfigSource_CatchesMishandledEntries is about a source that can't read every
// value, which that of the memory backend can.
func TestConfigSource_CatchesMishandledEntries(t *testing.T) {
	const malformed = "malformed:"
	// sort moves what can't be read to bad.
	sort := func(put map[string][]byte, why func(value []byte) error) (map[string][]byte, map[string]error) {
		good, bad := map[string][]byte{}, map[string]error{}
		for k, v := range put {
			if strings.HasPrefix(string(v), malformed) {
				bad[k] = why(v)
			} else {
				good[k] = v
			}
		}
		return good, bad
	}
	harness := func(why func(value []byte) error, then func(*configSnap, *configUpdate)) drivertest.ConfigHarness {
		h := configHarness(func(_ testing.TB, _ drivertest.ConfigArea, s *brokenSource) {
			s.load = func(ctx context.Context) (configSnap, error) {
				snap, err := s.ConfigSource.Load(ctx)
				snap.Items, snap.Bad = sort(snap.Items, why)
				then(&snap, &configUpdate{})
				return snap, err
			}
			s.watch = each(s.ConfigSource.Watch, func(u configUpdate, err error, yield func(configUpdate, error) bool) bool {
				u.Put, u.Bad = sort(u.Put, why)
				then(&configSnap{}, &u)
				return yield(u, err)
			})
		})
		open := h.Open
		h.Open = func(t testing.TB) drivertest.ConfigArea {
			area := open(t)
			area.PutMalformed = func(t testing.TB, key, mark string) {
				area.Put(t, map[string][]byte{key: []byte(malformed + mark)})
			}
			return area
		}
		return h
	}
	quiet := func([]byte) error { return core.ErrCorrupt }
	const name = "MalformedNeighbour"
	passed(t, drivertest.RunConfig(t, name, harness(quiet, func(*configSnap, *configUpdate) {})))
	caught(t, drivertest.RunConfig(t, name, harness(
		func(v []byte) error { return fmt.Errorf("can't read %s", v) }, func(*configSnap, *configUpdate) {},
	)))
	caught(t, drivertest.RunConfig(t, name, harness(quiet, func(s *configSnap, u *configUpdate) { s.Bad, u.Bad = nil, nil })))
	caught(t, drivertest.RunConfig(t, name, harness(quiet, func(s *configSnap, _ *configUpdate) {
		if len(s.Bad) > 0 {
			clear(s.Items)
		}
	})))
	caught(t, drivertest.RunConfig(t, name, harness(quiet, func(_ *configSnap, u *configUpdate) {
		for k := range u.Bad {
			u.Delete = append(u.Delete, k)
		}
	})))
}
