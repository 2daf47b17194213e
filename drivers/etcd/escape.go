package etcd

import (
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789ABCDEF"

// escape writes a name as one segment of a key. People can read a normal name as
// it is; "%", "/", control characters and bytes that are no UTF-8 become % and two
// hexadecimal digits each.
func escape(name string) string {
	var b strings.Builder
	b.Grow(len(name))
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		if r >= ' ' && r != '%' && r != '/' && r != 0x7f && (r != utf8.RuneError || n > 1) {
			b.WriteString(name[i : i+n])
		} else {
			// Only single bytes come here.
			b.WriteByte('%')
			b.WriteByte(hexDigits[name[i]>>4])
			b.WriteByte(hexDigits[name[i]&0xf])
		}
		i += n
	}
	return b.String()
}

// unescape reads what escape wrote; ok is false for anything else, so that no two
// keys read as one name.
func unescape(segment string) (name string, ok bool) {
	if !strings.Contains(segment, "%") {
		return segment, escape(segment) == segment
	}
	var b strings.Builder
	b.Grow(len(segment))
	for i := 0; i < len(segment); i++ {
		if segment[i] != '%' {
			b.WriteByte(segment[i])
			continue
		}
		if i+2 >= len(segment) {
			return "", false
		}
		high := strings.IndexByte(hexDigits, segment[i+1])
		low := strings.IndexByte(hexDigits, segment[i+2])
		if high < 0 || low < 0 {
			return "", false
		}
		b.WriteByte(byte(high<<4 | low))
		i += 2
	}
	name = b.String()
	return name, escape(name) == segment
}
