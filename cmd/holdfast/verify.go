package main

import (
	"context"
	"errors"
	"fmt"
)

// verify reads every bucket, and says which are not whole.
func verify(ctx context.Context, i *invocation, args []string) (err error) {
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
	bad := 0
	for _, b := range all {
		if b.err == nil {
			_, _ = fmt.Fprintf(i.out, "ok       %s: %s, checksum %s\n", b.label(), count(b.records, "record"), short(b.sum))
			continue
		}
		bad++
		_, _ = fmt.Fprintf(i.out, "%-8s %s: %s can be served: %v\n", stateOf(b.err), b.label(), count(b.records, "record"), b.err)
	}
	for _, name := range v.aside() {
		_, _ = fmt.Fprintf(i.out, "aside    %s: put aside earlier; delete it when nobody needs it\n", printable(name))
	}
	damaged := tellDamage(i, v)
	if bad > 0 {
		_, _ = fmt.Fprintf(i.out, "%d of %s not whole\n", bad, count(len(all), "bucket"))
		return errDamage
	}
	if damaged {
		_, _ = fmt.Fprintf(i.out, "%s, all whole, in a store that is not\n", count(len(all), "bucket"))
		return errDamage
	}
	_, err = fmt.Fprintf(i.out, "%s, all whole\n", count(len(all), "bucket"))
	return err
}
