package holdfast

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/holdfast-go/holdfast/core"
)

// envelopeFormat is the version of what seal writes. A reader refuses versions
// it doesn't know, so that a downgrade starts without a cache instead of wrongly.
const envelopeFormat = 1

// envelope is how the engines keep a value in a cache store: as JSON that people
// can read, with a checksum of their own, because a store may return wrong bytes
// without an error (Badger does so for a flipped bit).
type envelope struct {
	Format int             `json:"format"`
	Sum    string          `json:"sha256"`
	Data   json.RawMessage `json:"data"`
}

// seal wraps the JSON form of v.
func seal(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("cache record can't be written as JSON: %w", err)
	}
	sum := sha256.Sum256(data)
	return json.Marshal(envelope{Format: envelopeFormat, Sum: hex.EncodeToString(sum[:]), Data: data})
}

// unseal reads into v what seal wrote. Anything else is [core.ErrCorrupt], with
// v in no certain state.
func unseal(b []byte, v any) error {
	var e envelope
	if err := json.Unmarshal(b, &e); err != nil {
		return fmt.Errorf("%w: the cache record is no envelope", core.ErrCorrupt)
	}
	if e.Format != envelopeFormat {
		return fmt.Errorf("%w: the cache record has format %d, this version reads %d", core.ErrCorrupt, e.Format, envelopeFormat)
	}
	sum := sha256.Sum256(e.Data)
	want, err := hex.DecodeString(e.Sum)
	if err != nil || !bytes.Equal(sum[:], want) {
		return fmt.Errorf("%w: the cache record's checksum does not match", core.ErrCorrupt)
	}
	if err := json.Unmarshal(e.Data, v); err != nil {
		return fmt.Errorf("%w: the cache record holds something else", core.ErrCorrupt)
	}
	return nil
}

// bucketName names the bucket of one engine. The hash covers where the data
// comes from, so that staging's cache is never served to production.
func bucketName(kind, origin, scope string) string {
	h := sha256.New()
	for _, part := range []string{kind, origin, scope} {
		h.Write(fmt.Appendf(nil, "%d:%s", len(part), part))
	}
	return "holdfast/" + hex.EncodeToString(h.Sum(nil)[:16])
}
