package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// timeline is what the tour prints while it goes on.
type timeline struct {
	w     io.Writer
	began time.Time
}

func newTimeline(w io.Writer) *timeline {
	l := &timeline{w: w, began: time.Now()}
	l.row("time", "who", "level", "age", "http", "what happens")
	return l
}

func (l *timeline) row(elapsed, who, level, age, code, what string) {
	_, _ = fmt.Fprintf(l.w, "%8s  %-11s  %-6s  %7s  %4s  %s\n", elapsed, who, level, age, code, what)
}

// say tells of something that nobody in particular does.
func (l *timeline) say(format string, args ...any) {
	l.row(l.elapsed(), "-", "-", "-", "-", fmt.Sprintf(format, args...))
}

// tell shows how a node is, with what it answered just now.
func (l *timeline) tell(n *node, r response, format string, args ...any) {
	code := strconv.Itoa(r.code)
	if r.code == 0 {
		code = "none"
	}
	l.row(l.elapsed(), n.label, n.svc.Status().Level.String(), seconds(n.age()), code, fmt.Sprintf(format, args...))
}

func (l *timeline) elapsed() string { return fmt.Sprintf("%.2f s", time.Since(l.began).Seconds()) }

// seconds prints a duration as people read it beside others.
func seconds(d time.Duration) string {
	if d < 100*time.Millisecond {
		return fmt.Sprintf("%.3f s", d.Seconds())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// ok reports whether a response is one that a customer is content with.
func (r response) ok() bool { return r.err == nil && r.code == http.StatusOK }
