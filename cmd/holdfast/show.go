package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-go/holdfast/core"
)

// show lists the records of one bucket, or of all.
func show(ctx context.Context, i *invocation, args []string) (err error) {
	values := i.flags.Bool("values", false, "show the values too: they may hold secrets")
	if err := i.parse(args, 0, 1); err != nil {
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
	found, damaged := false, false
	for _, b := range all {
		if len(i.rest) > 0 && b.name != i.rest[0] {
			continue
		}
		found = true
		if err := showBucket(ctx, i, v, b, *values); err != nil {
			damaged = true
			_, _ = fmt.Fprintf(i.out, "%s: %v\n", stateOf(err), err)
		}
	}
	switch {
	case tellDamage(i, v) || damaged:
		return errDamage
	case !found && len(i.rest) > 0:
		return fmt.Errorf("there is no bucket %s in %s", printable(i.rest[0]), i.dir)
	}
	return nil
}

func showBucket(ctx context.Context, i *invocation, v view, b bucket, values bool) error {
	_, _ = fmt.Fprintf(i.out, "bucket %s, %s\n", b.label(), count(b.records, "record"))
	if b.name == "" {
		return b.err
	}
	now := time.Now()
	table := tabwriter.NewWriter(i.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "  KEY\tREVISION\tAGE\tBYTES\tSHA-256")
	var failed error
	for r, err := range v.records(ctx, b.name) {
		if err != nil {
			failed = err
			break
		}
		sum := sha256.Sum256(r.Value)
		_, _ = fmt.Fprintf(table, "  %s\t%s\t%s\t%d\t%s\n",
			printable(r.Key), orDash(string(r.Revision)), age(r.SavedAt, now), len(r.Value), short(hex.EncodeToString(sum[:])))
		if values {
			// The lines of a value belong to no column.
			if err := errors.Join(table.Flush(), showValue(i, r)); err != nil {
				return err
			}
		}
	}
	return errors.Join(table.Flush(), failed)
}

// showValue writes a value as text, or as base64 if it is none.
func showValue(i *invocation, r core.Record) error {
	text := string(r.Value)
	odd := func(c rune) bool { return !unicode.IsPrint(c) && c != '\n' && c != '\t' }
	if !utf8.Valid(r.Value) || strings.ContainsFunc(text, odd) {
		_, err := fmt.Fprintf(i.out, "      (base64) %s\n", base64.StdEncoding.EncodeToString(r.Value))
		return err
	}
	for line := range strings.Lines(text) {
		if _, err := fmt.Fprintf(i.out, "      %s\n", strings.TrimSuffix(line, "\n")); err != nil {
			return err
		}
	}
	return nil
}
