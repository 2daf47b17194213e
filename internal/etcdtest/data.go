package etcdtest

import (
	"os"
	"path/filepath"
	"testing"
)

// Backup is a copy of a server's data. It lasts as long as the test.
type Backup struct{ dir string }

// Wipe removes the data of a server that is down. Restart then makes a new,
// empty cluster at the same addresses from the same flags, whose cluster and
// member ids are the old ones. A single member of a cluster can't come back from
// this; wipe them all with [Cluster.Wipe].
func (s *Server) Wipe() {
	s.t.Helper()
	s.mustBeDown("wipe")
	if err := os.RemoveAll(s.dataDir()); err != nil {
		s.t.Fatalf("etcdtest: wipe %s: %v", s.name, err)
	}
}

// BackupData copies the data of a server that is down. A server that was killed
// is copied as it was, and a restore then recovers from its log.
func (s *Server) BackupData() Backup {
	s.t.Helper()
	s.mustBeDown("back up")
	b := Backup{dir: filepath.Join(s.t.TempDir(), "backup")}
	copyDir(s.t, b.dir, s.dataDir())
	return b
}

// RestoreData replaces the data of a server that is down by a copy made before,
// as often as one likes.
func (s *Server) RestoreData(b Backup) {
	s.t.Helper()
	s.Wipe()
	copyDir(s.t, s.dataDir(), b.dir)
	// os.CopyFS gives folders the permissions of the umask, and etcd wants its own
	// to itself.
	if err := os.Chmod(s.dataDir(), 0o700); err != nil { //nolint:gosec // a folder.
		s.t.Fatalf("etcdtest: restore %s: %v", s.name, err)
	}
}

func (s *Server) mustBeDown(what string) {
	s.t.Helper()
	if s.Running() {
		s.t.Fatalf("etcdtest: can't %s %s: it runs", what, s.name)
	}
}

func copyDir(t testing.TB, to, from string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatalf("etcdtest: copy %s: %v", from, err)
	}
}
