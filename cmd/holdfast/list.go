package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// list is "ls".
func list(ctx context.Context, i *invocation, args []string) (err error) {
	if err := i.parse(args, 0, 0); err != nil {
		return err
	}
	v, err := i.view(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.close()) }()
	all, err := v.buckets(ctx)
	if err != nil {
		return err
	}
	now, damaged := time.Now(), false
	table := tabwriter.NewWriter(i.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "BUCKET\tRECORDS\tBYTES\tWRITES\tAGE\tREVISION\tCHECKSUM\tSTATE")
	for _, b := range all {
		state := "ok"
		if b.encrypted {
			state = "encrypted"
		}
		if b.err != nil {
			state, damaged = stateOf(b.err), true
		}
		newest := newestOf(ctx, v, b)
		if !newest.SavedAt.IsZero() {
			b.saved = newest.SavedAt
		}
		_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n",
			b.label(), b.records, b.bytes, orDash(b.version), age(b.saved, now), orDash(string(newest.Revision)), short(b.sum), state)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if tellDamage(i, v) || damaged {
		return errDamage
	}
	return ctx.Err()
}

// tellDamage says what is wrong with the store beyond its buckets, and reports
// whether anything is.
func tellDamage(i *invocation, v view) bool {
	for _, note := range v.notes() {
		_, _ = fmt.Fprintf(i.out, "note     %s\n", note)
	}
	if err := v.damage(); err != nil {
		_, _ = fmt.Fprintf(i.out, "DAMAGED  the store: %v\n", err)
		return true
	}
	return false
}

// newestOf returns the record of a bucket that was saved last, without its value;
// the zero Record if none can be read.
func newestOf(ctx context.Context, v view, b bucket) (newest core.Record) {
	if b.name == "" || b.records == 0 {
		return core.Record{}
	}
	for r, err := range v.records(ctx, b.name) {
		if err != nil {
			break
		}
		if newest.Key == "" || r.SavedAt.After(newest.SavedAt) {
			newest = core.Record{Key: r.Key, Revision: r.Revision, SavedAt: r.SavedAt}
		}
	}
	return newest
}

// stateOf is an error in a word.
func stateOf(err error) string {
	switch {
	case errors.Is(err, core.ErrCorrupt):
		return "DAMAGED"
	case errors.Is(err, core.ErrDenied):
		return "NO KEY"
	}
	return "UNREADABLE"
}
