package file

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

const saltSize = 32

// sealer holds the user's key. Each document is encrypted with AES-GCM under a
// key of its own, derived from the user's key and a random salt, so that counting
// nonces within a document never repeats one.
type sealer struct {
	key []byte
	// id tells whether a document was sealed with this key without trying it, so
	// that a wrong key and damage are two different things.
	id string
	// older hold keys that documents may be sealed with still.
	older []*sealer
}

// newSealer returns nil for no key.
func newSealer(key []byte, older ...[]byte) (*sealer, error) {
	if len(key) == 0 {
		if len(older) > 0 {
			return nil, errors.New("Options.OldKeys without Options.Key: give the key to encrypt with from now on")
		}
		return nil, nil
	}
	s, err := oneSealer("Key", key)
	if err != nil {
		return nil, err
	}
	for i, old := range older {
		o, err := oneSealer(fmt.Sprintf("OldKeys[%d]", i), old)
		if err != nil {
			return nil, err
		}
		s.older = append(s.older, o)
	}
	return s, nil
}

func oneSealer(option string, key []byte) (*sealer, error) {
	switch len(key) {
	case 16, 24, 32:
	default:
		return nil, fmt.Errorf("the key in Options.%s has %d bytes; give 16, 24 or 32 random ones", option, len(key))
	}
	id, err := hkdf.Key(sha256.New, key, nil, "holdfast cache key id 1", 8)
	if err != nil {
		return nil, err
	}
	return &sealer{key: append([]byte(nil), key...), id: hex.EncodeToString(id)}, nil
}

// named returns the sealer with that id, nil if there is none.
func (s *sealer) named(id string) *sealer {
	if s == nil || s.id == id {
		return s
	}
	for _, o := range s.older {
		if o.id == id {
			return o
		}
	}
	return nil
}

func newSalt() []byte {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // it never fails: crypto/rand ends the process instead
	return salt
}

// box seals and opens the parts of one document.
type box struct {
	aead cipher.AEAD
	// bound is authenticated with each part: what the header says of the document.
	bound []byte
}

// box returns what seals and opens the parts of the document, or the journal,
// that h is the header of.
func (s *sealer) box(h header) (*box, error) {
	use, bound := "holdfast cache document 1", fmt.Appendf(nil, "%d %d %d %s", h.Version, h.Generation, h.Count, h.Saved)
	if h.Base != "" {
		use, bound = "holdfast cache journal 1", fmt.Appendf(bound, " %s", h.Base)
	}
	key, err := hkdf.Key(sha256.New, s.key, h.Salt, use, len(s.key))
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &box{aead: aead, bound: bound}, nil
}

// seal encrypts part number n of a document; no two parts share a number.
func (b *box) seal(n uint64, plain []byte) []byte {
	return b.aead.Seal(nil, b.nonce(n), plain, b.bound)
}

func (b *box) open(n uint64, sealed []byte) ([]byte, error) {
	return b.aead.Open(nil, b.nonce(n), sealed, b.bound)
}

func (b *box) nonce(n uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, b.aead.NonceSize()-8, b.aead.NonceSize()), n)
}

// sealBatch encrypts batch number n of a journal. Its nonce is random: after a
// crash another batch may take the place, and the number, of one that was not
// finished.
func (b *box) sealBatch(n uint64, plain []byte) []byte {
	nonce := make([]byte, b.aead.NonceSize())
	_, _ = rand.Read(nonce) // it never fails: crypto/rand ends the process instead
	return b.aead.Seal(nonce, nonce, plain, b.boundBatch(n))
}

func (b *box) openBatch(n uint64, sealed []byte) ([]byte, error) {
	size := b.aead.NonceSize()
	if len(sealed) < size {
		return nil, errDamaged
	}
	return b.aead.Open(nil, sealed[:size], sealed[size:], b.boundBatch(n))
}

func (b *box) boundBatch(n uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(nil), b.bound...), n)
}
