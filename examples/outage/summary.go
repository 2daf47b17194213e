package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// finding is what came of one step.
type finding struct {
	step, expected, seen string
	took                 time.Duration // from the cause to the effect
	held                 bool
}

// summarize prints the table at the end, and reports whether every step held.
func summarize(w io.Writer, findings []finding) (held bool) {
	_, _ = fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "step\texpected\tseen\tseconds\tok")
	held = true
	for _, f := range findings {
		verdict := "yes"
		if !f.held {
			verdict, held = "NO", false
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%7.3f\t%s\n", f.step, f.expected, f.seen, f.took.Seconds(), verdict)
	}
	_ = table.Flush() // it fails as w does, and whoever reads w has seen that
	return held
}
