package health

import (
	"bytes"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSet_TellsOfChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newSet(t), newPart("db")
		var told []string
		stop := s.OnChange(func(c Change) {
			told = append(told, fmt.Sprintf("%s %v->%v %v", c.Name(), c.From.Status, c.To.Status, c.To.Reasons))
		})
		s.OnChange(func(Change) { panic("a bad listener") })
		s.OnChange(func(Change) { runtime.Goexit() })
		register(t, s, p, CheckOptions{Every: time.Second})
		step := func(err error) {
			p.fails(err)
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
		synctest.Wait()
		step(errBroken)
		step(nil)
		stop()
		step(errBroken)
		want := []string{"db UNKNOWN->UP []", "db UP->DOWN [error]", "db DOWN->UP []"}
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

func TestSet_ASlowListenerSeesTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newSet(t), newPart("db")
		var told []string
		s.OnChange(func(c Change) {
			told = append(told, fmt.Sprintf("%v->%v", c.From.Status, c.To.Status))
			time.Sleep(time.Minute)
		})
		register(t, s, p, CheckOptions{Every: time.Second})
		for i := range 21 {
			p.fails(nil)
			if i%2 == 0 {
				p.fails(errBroken)
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		time.Sleep(2 * time.Minute)
		if !slices.Equal(told, []string{"UNKNOWN->DOWN"}) && !slices.Equal(told, []string{"UNKNOWN->UP", "UP->DOWN"}) {
			t.Errorf("told %q", told)
		}
	})
}

func TestSet_LogsChangesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		s := New(Options{Logger: slog.New(slog.NewTextHandler(&text, nil))})
		p, o := newPart("db"), newPart("cache")
		register(t, s, p, CheckOptions{Every: time.Second})
		register(t, s, o, CheckOptions{Every: time.Second, Optional: true})
		synctest.Wait()
		p.fails(errBroken)
		o.fails(errBroken)
		time.Sleep(time.Minute)
		p.fails(nil)
		time.Sleep(time.Minute)
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(text.String()), "\n")
		count := func(part string) (n int) {
			for _, l := range lines {
				if strings.Contains(l, part) {
					n++
				}
			}
			return n
		}
		if len(lines) != 3 || count("level=ERROR") != 1 || count("level=WARN") != 1 || count("level=INFO") != 1 || count(errBroken.Error()) != 2 {
			t.Errorf("got\n%s", text.String())
		}
	})
}
