package etcdtest

import (
	"os/exec"
	"strings"
	"testing"
)

func TestBinary_IsTheVersionAsked(t *testing.T) {
	for _, version := range Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			path, err := Binary(t.Context(), version)
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), path, "--version").Output()
			if err != nil {
				t.Fatal(err)
			}
			want := "etcd Version: " + strings.TrimPrefix(version, "v") + "\n"
			if !strings.HasPrefix(string(out), want) {
				t.Fatalf("%s --version prints %q; want %q first", path, out, want)
			}
		})
	}
}
