package badger

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"

	engine "github.com/dgraph-io/badger/v4"
)

// keyID names a key without telling it. The zero keyID stands for none.
func keyID(key []byte) (id [keyIDSize]byte) {
	if len(key) == 0 {
		return id
	}
	b, err := hkdf.Key(sha256.New, key, nil, "holdfast badger key id 1", keyIDSize)
	if err != nil {
		return id // not with this length; the id only tells damage from a wrong key
	}
	return [keyIDSize]byte(b)
}

func checkKey(name string, key []byte) error {
	switch len(key) {
	case 0, 16, 24, 32:
		return nil
	}
	return fmt.Errorf("%s has %d bytes; give 16, 24 or 32 random ones", name, len(key))
}

var errRegistry = errors.New("the key registry is damaged")

// registry holds the keys that the files of a folder are encrypted with, which
// are themselves encrypted with the user's key.
type registry struct {
	keys *engine.KeyRegistry
	used []byte // the user's key that opened it
}

// openRegistry reads the key registry with the first of the keys that fits.
func openRegistry(dir string, keys [][]byte) (*registry, error) {
	if err := checkRegistry(dir); err != nil {
		return nil, err
	}
	for _, key := range keys {
		var r *engine.KeyRegistry
		err := guarded(func() (err error) {
			r, err = engine.OpenKeyRegistry(engine.KeyRegistryOptions{Dir: dir, ReadOnly: true, EncryptionKey: key})
			return err
		})
		switch {
		case err == nil:
			return &registry{keys: r, used: key}, nil
		case ofMedium(err):
			return nil, err
		case !errors.Is(err, engine.ErrEncryptionKeyMismatch):
			return nil, errRegistry
		}
	}
	return nil, errKey
}

// checkRegistry checks the lengths in the file, which Badger believes.
func checkRegistry(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // nothing was written
	b, err := root.ReadFile(engine.KeyRegistryFileName)
	if os.IsNotExist(err) {
		return errRegistry
	}
	if err != nil {
		return err
	}
	const start = aes.BlockSize + len("Hello Badger")
	if len(b) < start {
		return errRegistry
	}
	for b = b[start:]; len(b) > 0; {
		if len(b) < 8 {
			return errRegistry
		}
		size := uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
		if size > uint64(len(b)-8) {
			return errRegistry
		}
		b = b[8+size:]
	}
	return nil
}

// key returns the cipher of a data key; nil for the id 0, which is none.
func (r *registry) key(id uint64) (cipher.Block, error) {
	if id == 0 {
		return nil, nil
	}
	if r == nil {
		return nil, errRegistry
	}
	k, err := r.keys.DataKey(id)
	if err != nil {
		return nil, errRegistry
	}
	return aes.NewCipher(k.Data)
}

// all returns the data keys, and none first.
func (r *registry) all() []cipher.Block {
	keys := []cipher.Block{nil}
	for id := uint64(1); r != nil; id++ {
		k, err := r.key(id)
		if err != nil {
			break
		}
		keys = append(keys, k)
	}
	return keys
}

// rewrap encrypts the data keys with another key of the user, so that the one
// before is needed no more. The registry is replaced by rename.
func (r *registry) rewrap(dir string, key []byte) error {
	return guarded(func() error {
		return engine.WriteKeyRegistry(r.keys, engine.KeyRegistryOptions{Dir: dir, EncryptionKey: key})
	})
}
