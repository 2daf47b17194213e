package etcdtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// CacheEnv names the environment variable that replaces the folder that built
// servers are kept in. Its default is holdfast below os.UserCacheDir(). An empty
// folder shows what a newcomer's first run costs.
const CacheEnv = "HOLDFAST_ETCD_CACHE"

const (
	serverPackage = "go.etcd.io/etcd/server/v3"
	lockPoll      = 50 * time.Millisecond
)

// Binary returns the path of an etcd server of the given version, one of
// [Versions]. The first call on a machine builds it, which downloads about 60
// modules through the go command and takes one to three minutes; every later
// call, of any process, finds it in the cache. The modules are pinned by
// checksum. Processes that ask at the same time build once: a file lock makes
// the others wait, as long as ctx lets them. It is safe for concurrent use.
func Binary(ctx context.Context, version string) (string, error) {
	p, err := pinOf(version)
	if err != nil {
		return "", err
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, buildName(version, p))
	path := filepath.Join(dir, executable("etcd"))
	if exists(path) {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("etcdtest: can't make the cache folder; set %s to one that can be written: %w", CacheEnv, err)
	}

	lock := flock.New(dir + ".lock")
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return "", fmt.Errorf("etcdtest: waiting for another process that builds etcd %s (lock %s): %w", version, lock.Path(), err)
	}
	defer func() { _ = lock.Unlock() }() // ends with the process anyway
	if exists(path) {
		return path, nil
	}
	if err := build(ctx, version, p, path); err != nil {
		return "", err
	}
	return path, nil
}

// build writes the server to path, which appears whole or not at all.
func build(ctx context.Context, version string, p pin, path string) (err error) {
	work, err := os.MkdirTemp(filepath.Dir(path), "build-")
	if err != nil {
		return fmt.Errorf("etcdtest: build folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := os.WriteFile(filepath.Join(work, "go.mod"), p.mod, 0o600); err != nil {
		return fmt.Errorf("etcdtest: build folder: %w", err)
	}
	if err := os.WriteFile(filepath.Join(work, "go.sum"), p.sum, 0o600); err != nil {
		return fmt.Errorf("etcdtest: build folder: %w", err)
	}

	built := filepath.Join(work, executable("etcd"))
	//nolint:gosec // every argument is a constant or a path made here.
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-p", "2", "-o", built, serverPackage)
	cmd.Dir = work
	// The caller's flags and targets are for the caller's code. GOFLAGS must not be
	// empty: the go command would then take the one of its env file.
	cmd.Env = append(os.Environ(),
		"PWD="+work, "GO111MODULE=on", "GOWORK=off", "GOFLAGS=-mod=readonly -buildvcs=false",
		"GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("etcdtest: can't build etcd %s: %w\n%s\n"+
			"Tests need a real etcd server. Building it needs the go command in PATH and, once, its modules: "+
			"check that `go mod download go.etcd.io/etcd/server/v3@%s` works (GOPROXY, network), then run the test again",
			version, err, tail(out, 4<<10), version)
	}
	if err := os.Rename(built, path); err != nil {
		return fmt.Errorf("etcdtest: keep the built etcd: %w", err)
	}
	return nil
}

func cacheDir() (string, error) {
	if dir := os.Getenv(CacheEnv); dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", fmt.Errorf("etcdtest: %s: %w", CacheEnv, err)
		}
		return abs, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("etcdtest: no cache folder; set %s to one that can be written: %w", CacheEnv, err)
	}
	return filepath.Join(dir, "holdfast"), nil
}

// buildName tells apart everything that a built server depends on.
func buildName(version string, p pin) string {
	goVersion, _, _ := strings.Cut(runtime.Version(), " ") // "go1.26 X:experiments"
	hash := sha256.Sum256(append(append([]byte{}, p.mod...), p.sum...))
	return fmt.Sprintf("etcd-%s-%s-%s-%s-%x", version, goVersion, runtime.GOOS, runtime.GOARCH, hash[:4])
}

func executable(name string) string {
	if runtime.GOOS == "windows" {
		return name + ".exe"
	}
	return name
}

func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// tail returns the last n bytes of out at most.
func tail(out []byte, n int) string {
	if len(out) > n {
		out = append([]byte("... "), out[len(out)-n:]...)
	}
	return strings.TrimSpace(string(out))
}
