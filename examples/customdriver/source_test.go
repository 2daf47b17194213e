package customdriver_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/holdfast-go/holdfast/core"
	"github.com/holdfast-go/holdfast/core/drivertest"
	"github.com/holdfast-go/holdfast/examples/customdriver"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	prefix    = "/config/orders/"
	poll      = 10 * time.Millisecond
	heartbeat = 200 * time.Millisecond
)

// This is all that a driver's author writes: the kit does the rest.
func TestSource_Conforms(t *testing.T) {
	drivertest.TestConfigSource(t, drivertest.ConfigHarness{
		Open:      open,
		Heartbeat: heartbeat,
		Accepts:   utf8.ValidString,
	})
}

// open makes a journal of its own for each case. While it is cut off its file is
// moved aside, where the operator still finds it.
func open(t testing.TB) drivertest.ConfigArea {
	path := filepath.Join(t.TempDir(), "journal")
	at := path
	do := func(t testing.TB, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(t, customdriver.Create(path))
	commit := func(t testing.TB, put map[string][]byte, del ...string) {
		t.Helper()
		tx := customdriver.Transaction{Put: make(map[string][]byte)}
		for key, value := range put {
			tx.Put[prefix+key] = value
		}
		for _, key := range del {
			tx.Delete = append(tx.Delete, prefix+key)
		}
		do(t, customdriver.Append(at, tx))
	}
	return drivertest.ConfigArea{
		Client: func(testing.TB) (core.ConfigSource, func()) {
			return customdriver.New(path, prefix, customdriver.Options{Poll: poll, Heartbeat: heartbeat}), func() {}
		},
		Put:    func(t testing.TB, entries map[string][]byte) { commit(t, entries) },
		Delete: func(t testing.TB, keys ...string) { commit(t, nil, keys...) },
		Txn:    commit,
		PutBeside: func(t testing.TB, tail string, value []byte) {
			do(t, customdriver.Append(at, customdriver.Transaction{Put: map[string][]byte{prefix[:len(prefix)-1] + tail: value}}))
		},
		Faults: drivertest.Faults{
			Cut: func(t testing.TB) {
				do(t, os.Rename(path, path+".away"))
				at = path + ".away"
			},
			Heal: func(t testing.TB) {
				if at == path {
					return
				}
				// A copy: a volume that was away comes back as other files, and nobody who
				// follows the old one may take it for the same.
				all, err := os.ReadFile(at)
				do(t, err)
				do(t, os.WriteFile(path, all, 0o600))
				at = path
			},
			Compact: func(t testing.TB) {
				// A new history that begins with the present state.
				now, err := customdriver.New(at, prefix, customdriver.Options{}).Load(t.Context())
				do(t, err)
				do(t, customdriver.Create(at))
				commit(t, now.Items)
			},
			Wipe: func(t testing.TB, past core.Revision) {
				do(t, customdriver.Create(at))
				if past != "" {
					// Longer than any history of these tests ever was.
					do(t, customdriver.Append(at, customdriver.Transaction{Put: map[string][]byte{"/other": make([]byte, 8<<20)}}))
				}
			},
		},
	}
}
