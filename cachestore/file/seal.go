package file

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
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
}

// newSealer returns nil for no key.
func newSealer(key []byte) (*sealer, error) {
	switch len(key) {
	case 0:
		return nil, nil
	case 16, 24, 32:
	default:
		return nil, fmt.Errorf("Options.Key has %d bytes; give 16, 24 or 32 random ones", len(key))
	}
	id, err := hkdf.Key(sha256.New, key, nil, "holdfast cache key id 1", 8)
	if err != nil {
		return nil, err
	}
	return &sealer{key: append([]byte(nil), key...), id: hex.EncodeToString(id)}, nil
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

func (s *sealer) box(salt []byte, h header) (*box, error) {
	key, err := hkdf.Key(sha256.New, s.key, salt, "holdfast cache document 1", len(s.key))
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
	return &box{aead: aead, bound: fmt.Appendf(nil, "%d %d %d %s", h.Version, h.Generation, h.Count, h.Saved)}, nil
}

// seal encrypts part number n of the document; no two parts share a number.
func (b *box) seal(n uint64, plain []byte) []byte {
	return b.aead.Seal(nil, b.nonce(n), plain, b.bound)
}

func (b *box) open(n uint64, sealed []byte) ([]byte, error) {
	return b.aead.Open(nil, b.nonce(n), sealed, b.bound)
}

func (b *box) nonce(n uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, b.aead.NonceSize()-8, b.aead.NonceSize()), n)
}
