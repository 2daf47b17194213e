package file

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/core"
)

// play is what the test binary does as another process, in its working
// directory. It returns the exit code.
func play(role string) int {
	part, ok := map[string]func(context.Context) error{
		"writer":    playWriter,
		"appender":  playAppender,
		"holder":    playHolder,
		"full disk": playFullDisk,
		"tmpfs":     playTmpfs,
		"read-only": playReadOnly,
	}[role]
	err := errors.New("no such role")
	if ok {
		err = part(context.Background())
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		if errors.Is(err, errNotAllowed) {
			return exitNotAllowed
		}
		return 1
	}
	return 0
}

// errNotAllowed says that this machine does not allow what a part needs.
var errNotAllowed = errors.New("not allowed here")

const exitNotAllowed = 3

// child starts the test binary in a role. The process is gone when the test is.
func child(t *testing.T, role, dir string) (cmd *exec.Cmd, in io.WriteCloser, out *bufio.Scanner) {
	t.Helper()
	cmd, in, out, err := begin(t, role, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return cmd, in, out
}

// begin is child; the error is that of starting the process.
func begin(t *testing.T, role, dir string, attr *syscall.SysProcAttr) (cmd *exec.Cmd, in io.WriteCloser, out *bufio.Scanner, err error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), self, "-test.run=^$")
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Dir, cmd.SysProcAttr = dir, attr
	var stderr strings.Builder
	cmd.Stderr = &stderr
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s said: %s", role, stderr.String())
		}
	})
	if in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, nil, err
	}
	return cmd, in, bufio.NewScanner(stdout), nil
}

func say(text string) error {
	_, err := fmt.Println(text)
	return err
}

func number(ctx context.Context, s *Store) (int, error) {
	r, err := s.Get(ctx, "b", "number")
	if errors.Is(err, core.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(r.Value))
}

// step is batch n: it replaces each record and adds and deletes one.
func step(n int) core.Batch {
	value := strconv.Itoa(n)
	return core.Batch{
		Put: []core.Record{
			record("number", value), record("copy", value), record("only "+value, value),
			record("ballast", strings.Repeat(value+" ", 20_000)),
		},
		Delete: []string{"only " + strconv.Itoa(n-1)},
	}
}

// small is step n without the ballast, to be appended to the journal of a large
// document.
func small(n int) core.Batch {
	b := step(n)
	b.Put = b.Put[:3]
	return b
}

// playWriter writes steps for ever and says each one that was acknowledged.
func playWriter(ctx context.Context) error { return playSteps(ctx, New(".", Options{}), step) }

// playAppender does so to a large document, which takes the journal in again and
// again.
func playAppender(ctx context.Context) error {
	s := New(".", Options{})
	s.journalRoom = 4 << 10 // of a document that is about as long
	s.journalFrom = 1
	return playSteps(ctx, s, small)
}

func playSteps(ctx context.Context, s *Store, step func(int) core.Batch) error {
	n, err := number(ctx, s)
	if err != nil {
		return err
	}
	for {
		n++
		if err := s.Write(ctx, "b", step(n)); err != nil {
			return err
		}
		if err := say(strconv.Itoa(n)); err != nil {
			return err
		}
	}
}

// TestStore_KilledWriterLosesNothing kills a process that writes at a random moment,
// again and again: each batch that was acknowledged is there, whole.
func TestStore_KilledWriterLosesNothing(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 40
	}
	for role, step := range map[string]func(int) core.Batch{"writer": step, "appender": small} {
		t.Run(role, func(t *testing.T) {
			dir := t.TempDir()
			all, before, losses, unfinished := 0, 0, 0, 0
			for round := range rounds {
				acknowledged := killed(t, role, dir)
				all += acknowledged - before
				if len(files(t, dir, ".tmp-")) > 0 {
					unfinished++
				}
				s := New(dir, Options{})
				got, err := contents(t.Context(), s, "b")
				if err != nil {
					t.Fatalf("round %d: All: %v", round, err)
				}
				n, _ := strconv.Atoi(got["number"])
				if n < acknowledged || n > acknowledged+1 {
					losses++
					t.Errorf("round %d: %d was acknowledged, %d is there", round, acknowledged, n)
				}
				put := step(n).Put
				for _, r := range put {
					if got[r.Key] != string(r.Value) {
						losses++
						t.Errorf("round %d: record %q is not of step %d", round, r.Key, n)
					}
				}
				if len(got) != len(put) {
					t.Errorf("round %d: %d records, want %d", round, len(got), len(put))
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				before = n
			}
			if left := files(t, dir, ".tmp-"); len(left) > 0 {
				t.Errorf("temp files stay: %q", left)
			}
			t.Logf("%d rounds, %d acknowledged batches, %d losses; %d kills left a file unfinished", rounds, all, losses, unfinished)
		})
	}
}

// killed lets a child write for up to 20 ms, kills it, and returns the last batch
// that it said was acknowledged.
func killed(t *testing.T, role, dir string) (acknowledged int) {
	t.Helper()
	cmd, _, out := child(t, role, dir)
	var timer *time.Timer
	for out.Scan() {
		n, err := strconv.Atoi(out.Text())
		if err != nil {
			t.Fatal(err)
		}
		acknowledged = n
		if timer == nil {
			timer = time.AfterFunc(time.Duration(rand.IntN(20_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); err == nil || timer == nil {
		t.Fatalf("the writer ended by itself: %v", err)
	}
	timer.Stop()
	return acknowledged
}

// playHolder writes each line that it reads.
func playHolder(ctx context.Context) error {
	s := New(".", Options{})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := s.Write(ctx, "b", core.Batch{Put: []core.Record{record("k", lines.Text())}}); err != nil {
			return err
		}
		if err := say("done"); err != nil {
			return err
		}
	}
	return lines.Err()
}

func TestStore_TakesOverWhenTheOtherProcessIsGone(t *testing.T) {
	dir := t.TempDir()
	cmd, in, out := child(t, "holder", dir)
	tell := func(text string) {
		if _, err := fmt.Fprintln(in, text); err != nil {
			t.Fatal(err)
		}
		if !out.Scan() {
			t.Fatal("the other process is gone")
		}
	}
	tell("first")
	s := open(t, dir, Options{})
	expect(t, s, "b", map[string]string{"k": "first"})
	for _, value := range []string{"second", "third"} {
		expectKind(t, "Write", s.Write(t.Context(), "b", put(record("k", "mine"))), core.ErrUnavailable)
		tell(value)
		expect(t, s, "b", map[string]string{"k": value})
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the other process ended by itself")
	}
	write(t, s, "b", put(record("l", "mine")))
	want := map[string]string{"k": "third", "l": "mine"}
	expect(t, s, "b", want)
	expect(t, open(t, dir, Options{}), "b", want)
}

// TestStore_ReaderSeesWholeBatchesOnly lets one process read what another one writes
// as fast as it can.
func TestStore_ReaderSeesWholeBatchesOnly(t *testing.T) {
	for role, want := range map[string]int{"writer": 4, "appender": 3} {
		t.Run(role, func(t *testing.T) { readBeside(t, role, want) })
	}
}

func readBeside(t *testing.T, role string, records int) {
	dir := t.TempDir()
	cmd, _, out := child(t, role, dir)
	s := open(t, dir, Options{})
	last := 0
	for range 100 {
		if !out.Scan() {
			t.Fatal("the writer is gone")
		}
		acknowledged, err := strconv.Atoi(out.Text())
		if err != nil {
			t.Fatal(err)
		}
		got, err := contents(t.Context(), s, "b")
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.Atoi(got["number"])
		if n < acknowledged || n < last {
			t.Errorf("%d is there after %d was acknowledged and %d was seen", n, acknowledged, last)
		}
		if last = n; len(got) != records || got["copy"] != got["number"] || got["only "+got["number"]] == "" {
			t.Errorf("a mix of batches at %d", n)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
}

// finish lets a child play its part to the end.
func finish(t *testing.T, role, dir string) {
	t.Helper()
	cmd, in, _ := child(t, role, dir)
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v", role, err)
	}
}

func TestStore_ReadOnlyFolderIsReadable(t *testing.T) {
	dir := t.TempDir()
	finish(t, "read-only", dir)
	expect(t, open(t, dir, Options{}), "b", map[string]string{"k": "v", "l": "after"})
}

// playReadOnly takes the right to write the folder away from itself.
func playReadOnly(ctx context.Context) error {
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := beNobody(here); err != nil {
		return fmt.Errorf("drop privileges: %w", err)
	}
	write := func(s *Store, key, value string) error {
		return s.Write(ctx, "b", core.Batch{Put: []core.Record{record(key, value)}})
	}
	writer := New(".", Options{})
	if err := write(writer, "k", "v"); err != nil {
		return err
	}
	if err := os.Chmod(".", 0o500); err != nil {
		return err
	}
	for range 2 {
		if err := write(writer, "k", "w"); !errors.Is(err, core.ErrUnavailable) {
			return fmt.Errorf("Write: %w", err)
		}
	}
	if err := writer.Close(); err != nil {
		return err
	}
	// Opened when it is read-only already, with a lock file and without.
	for range 2 {
		s := New(".", Options{})
		got, err := contents(ctx, s, "b")
		if err != nil || len(got) != 1 || got["k"] != "v" {
			return fmt.Errorf("All: %q %w", got, err)
		}
		if err := write(s, "k", "w"); !errors.Is(err, core.ErrUnavailable) {
			return fmt.Errorf("Write of a new store: %w", err)
		}
		if err := s.Close(); err != nil {
			return err
		}
		if err := errors.Join(os.Chmod(".", 0o700), os.Remove(lockName), os.Chmod(".", 0o500)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	s := New(".", Options{})
	if _, err := s.Get(ctx, "b", "k"); err != nil {
		return err
	}
	if err := os.Chmod(".", 0o700); err != nil {
		return err
	}
	// It becomes the writer by itself when it may.
	if err := write(s, "l", "after"); err != nil {
		return err
	}
	// A document that may not be read is a case for a person.
	if err := os.Chmod(stem("b", false)+current, 0); err != nil {
		return err
	}
	if _, err := New(".", Options{}).Get(ctx, "b", "k"); !errors.Is(err, core.ErrDenied) {
		return fmt.Errorf("Get without the right to read: %w", err)
	}
	if err := os.Chmod(stem("b", false)+current, 0o600); err != nil {
		return err
	}
	return s.Close()
}
