package badger

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// play is what the test binary does as another process, in its working
// directory. It returns the exit code.
func play(role string) int {
	name, argument, _ := strings.Cut(role, " ")
	part, ok := map[string]func(context.Context, string) error{
		"cost":   playCost,
		"writer": playWriter,
		"rotten": playRotten,
		"rot":    playRot,
		"holder": playHolder,
		"disk":   playFullDisk,
		"full":   playFull,
		"mode":   playReadOnly,
	}[name]
	err := errors.New("no such role")
	if ok {
		err = part(context.Background(), argument)
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// child starts the test binary in a role. The process is gone when the test is.
func child(t testing.TB, role, dir string) (cmd *exec.Cmd, in io.WriteCloser, out *bufio.Scanner) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), self, "-test.run=^$")
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s said: %.4000s", role, stderr.String())
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
		t.Fatal(err)
	}
	return cmd, in, bufio.NewScanner(stdout)
}

func say(text string) error {
	_, err := fmt.Println(text)
	return err
}

// finish lets a child play its part to the end and returns what it said.
func finish(t testing.TB, role, dir string) []string {
	t.Helper()
	cmd, in, out := child(t, role, dir)
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	var lines []string
	for out.Scan() {
		lines = append(lines, out.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v", role, err)
	}
	return lines
}
