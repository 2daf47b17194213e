package file

import (
	"crypto/sha256"
	"encoding/base32"
	"regexp"
	"strconv"
	"strings"
)

const (
	current  = ".json"
	previous = ".prev.json"

	sealedSlug = "sealed"

	journalMark = ".journal-"
	journalEnd  = ".jsonl"
)

var (
	lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

	// temporary matches the temp files of this package and nothing a person would
	// put into the folder.
	temporary = regexp.MustCompile(`^[a-z0-9-]*[a-z2-7]{20}\.tmp-[0-9a-f]{16}$`)
)

// stem returns the part of a bucket's file names that is its own: a readable
// slug and 100 bits of a hash. It is safe on every file system whatever the
// bucket is called. The stem of an encrypted bucket shows nothing of the name.
func stem(bucket string, sealed bool) string {
	sum := sha256.Sum256([]byte(bucket))
	hash := lowerBase32.EncodeToString(sum[:])[:20]
	s := sealedSlug
	if !sealed {
		s = slug(bucket)
	}
	if s == "" {
		return hash
	}
	return s + "-" + hash
}

// journalName names the journal of the document with that generation.
func journalName(stem string, generation uint64) string {
	return stem + journalMark + strconv.FormatUint(generation, 10) + journalEnd
}

// journalOf returns the generation in the name of a journal of stem.
func journalOf(stem, name string) (generation uint64, ok bool) {
	rest, ours := strings.CutPrefix(name, stem+journalMark)
	digits, journal := strings.CutSuffix(rest, journalEnd)
	if !ours || !journal {
		return 0, false
	}
	generation, err := strconv.ParseUint(digits, 10, 64)
	return generation, err == nil && name == journalName(stem, generation)
}

// slug keeps the letters and digits of a name, at most 40, and joins them with
// single hyphens. No slug is sealedSlug, which is the encrypted buckets' own.
func slug(name string) string {
	const longest = 40
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(name) {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			gap = b.Len() > 0
			continue
		}
		if gap && b.Len() < longest {
			b.WriteByte('-')
		}
		gap = false
		if b.Len() >= longest {
			break
		}
		b.WriteRune(r)
	}
	s := strings.TrimRight(b.String(), "-")
	if s == sealedSlug {
		return ""
	}
	return s
}
