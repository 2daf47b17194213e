package holdfast

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// forgetful is a sink that keeps nothing.
type forgetful struct{}

func (forgetful) listed(core.Snapshot[[]byte], bool) {}
func (forgetful) updated(core.Update[[]byte])        {}
func (forgetful) failed(error)                       {}

func TestFollower_WatchesThatEndAfterOneStepMakeNoStormOfLists(t *testing.T) {
	for _, end := range []error{
		core.ErrRevisionGone, core.ErrUnavailable, errors.New("an error of no kind"),
	} {
		for _, spread := range []time.Duration{0, 1500 * time.Millisecond} {
			t.Run(fmt.Sprintf("%v, spread %v", end, spread), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					lists := 0
					f := follower[[]byte]{
						list: func(context.Context) (core.Snapshot[[]byte], error) {
							time.Sleep(time.Millisecond)
							lists++
							return core.Snapshot[[]byte]{Revision: "1"}, nil
						},
						watch: func(context.Context, core.Revision) iter.Seq2[core.Update[[]byte], error] {
							return func(yield func(core.Update[[]byte], error) bool) {
								if yield(core.Update[[]byte]{Revision: "1"}, nil) {
									yield(core.Update[[]byte]{}, end)
								}
							}
						},
						sink: forgetful{},
						pace: pace{timeout: time.Second, spread: spread},
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					f.run(ctx)
					if lists < 20 || lists > 400 {
						t.Errorf("%d lists in a minute; want more than 20, and about 240 at most", lists)
					}
				})
			})
		}
	}
}

func TestFollower_ListsAtOnceAfterEachCompactionOfAWatchThatLasted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lists := 0
		f := follower[[]byte]{
			list: func(context.Context) (core.Snapshot[[]byte], error) {
				lists++
				return core.Snapshot[[]byte]{Revision: "1"}, nil
			},
			watch: func(context.Context, core.Revision) iter.Seq2[core.Update[[]byte], error] {
				return func(yield func(core.Update[[]byte], error) bool) {
					if yield(core.Update[[]byte]{Revision: "1"}, nil) {
						time.Sleep(time.Second)
						yield(core.Update[[]byte]{}, core.ErrRevisionGone)
					}
				}
			},
			sink: forgetful{},
			pace: pace{timeout: time.Second, spread: time.Second},
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+time.Millisecond)
		defer cancel()
		f.run(ctx)
		if lists != 11 {
			t.Errorf("%d lists in 10 s of compactions a second apart, want 11", lists)
		}
	})
}
