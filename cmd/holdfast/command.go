package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// The exit codes.
const (
	codeWell    = 0
	codeDamage  = 1
	codeMistake = 2
)

const usage = `Usage:
  holdfast cache ls <dir>               list buckets, ages, revisions and checksums
  holdfast cache show <dir> [bucket]    list records; their values with -values
  holdfast cache verify <dir>           check that every bucket is whole
  holdfast cache seed <dir> <file>      write a last good state from a YAML or JSON file

"holdfast cache <command> -h" shows the options of a command. ls, show and verify
change nothing, and may be run beside a service. The exit code is 0 if all is well,
1 if anything is damaged or can't be read, 2 for a mistake in the command.
`

// mistake is what the caller of a command did wrong.
type mistake struct{ text string }

func (m mistake) Error() string { return m.text }

// errDamage says that something was found damaged, and told already.
var errDamage = errors.New("damaged")

// invocation is one command as it was given.
type invocation struct {
	in       io.Reader
	out, err io.Writer
	flags    *flag.FlagSet
	dir      string   // the folder
	rest     []string // what follows it

	store, keyFile string
	key            []byte
}

// run is the whole program; it returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	err := dispatch(ctx, args, in, out, errOut)
	m, mistaken := errors.AsType[mistake](err)
	switch {
	case err == nil:
		return codeWell
	case errors.Is(err, flag.ErrHelp):
		return codeWell
	case mistaken:
		_, _ = fmt.Fprintf(errOut, "holdfast: %s\n\n%s", m.text, usage)
		return codeMistake
	case errors.Is(err, errDamage):
		return codeDamage
	}
	_, _ = fmt.Fprintln(errOut, "holdfast:", strings.TrimPrefix(err.Error(), "holdfast: "))
	return codeDamage
}

func dispatch(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) error {
	if len(args) > 0 && (args[0] == "help" || args[0] == "-h" || args[0] == "-help" || args[0] == "--help") {
		_, err := io.WriteString(out, usage)
		return err
	}
	if len(args) < 2 || args[0] != "cache" {
		return mistake{"give a command, such as: holdfast cache ls <dir>"}
	}
	i := &invocation{in: in, out: out, err: errOut, flags: flag.NewFlagSet("holdfast cache "+args[1], flag.ContinueOnError)}
	i.flags.SetOutput(errOut)
	i.flags.StringVar(&i.store, "store", "", "the `kind` of store: "+strings.Join(kindNames(), ", ")+" (default: what the folder looks like)")
	i.flags.StringVar(&i.keyFile, "key-file", "", "a `file` with the 16, 24 or 32 bytes of the key, if the store is encrypted")
	switch args[1] {
	case "ls":
		return list(ctx, i, args[2:])
	case "show":
		return show(ctx, i, args[2:])
	case "verify":
		return verify(ctx, i, args[2:])
	case "seed":
		return seed(ctx, i, args[2:])
	}
	return mistake{fmt.Sprintf("there is no command %q", args[1])}
}

// parse reads options and arguments, in any order: the folder, then at least min
// and at most max others.
func (i *invocation) parse(args []string, min, max int) error {
	for {
		if err := i.flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return err
			}
			return mistake{err.Error()}
		}
		if i.flags.NArg() == 0 {
			break
		}
		i.rest = append(i.rest, i.flags.Arg(0))
		args = i.flags.Args()[1:]
	}
	if len(i.rest) < 1+min || len(i.rest) > 1+max {
		return mistake{fmt.Sprintf("%s does not take %d arguments", i.flags.Name(), len(i.rest))}
	}
	i.dir, i.rest = i.rest[0], i.rest[1:]
	if i.keyFile == "" {
		return nil
	}
	var err error
	if i.key, err = os.ReadFile(i.keyFile); err != nil {
		return fmt.Errorf("read the key: %w", err)
	}
	switch len(i.key) {
	case 16, 24, 32:
		return nil
	}
	return mistake{fmt.Sprintf("the key file has %d bytes; it must be the 16, 24 or 32 bytes of the key, without a line break", len(i.key))}
}
