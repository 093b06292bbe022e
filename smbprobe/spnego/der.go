package spnego

// expect reads an element that must have a tag.
func expect(b []byte, want byte) (body, rest []byte, ok bool) {
	tag, body, rest, ok := element(b)
	return body, rest, ok && tag == want
}

// element reads one element of DER (X.690 8.1): its tag of one byte, its body,
// and what follows it. A longer length form than needed is taken, since servers
// write some; the indefinite one and a length beyond b are not.
func element(b []byte) (tag byte, body, rest []byte, ok bool) {
	if len(b) < 2 {
		return 0, nil, nil, false
	}
	tag, size, b := b[0], int64(b[1]), b[2:]
	if size >= 0x80 {
		digits := int(size - 0x80)
		if digits < 1 || digits > 4 || digits > len(b) {
			return 0, nil, nil, false
		}
		size = 0
		for _, digit := range b[:digits] {
			size = size<<8 | int64(digit)
		}
		b = b[digits:]
	}
	if size > int64(len(b)) {
		return 0, nil, nil, false
	}
	return tag, b[:size:size], b[size:], true
}

// der returns an element with a body. A body has less than 16 MB.
func der(tag byte, body []byte) []byte {
	size := len(body)
	head := []byte{tag, byte(size)}
	switch {
	case size >= 1<<16:
		head = []byte{tag, 0x83, byte(size >> 16), byte(size >> 8), byte(size)}
	case size >= 1<<8:
		head = []byte{tag, 0x82, byte(size >> 8), byte(size)}
	case size >= 0x80:
		head = []byte{tag, 0x81, byte(size)}
	}
	return append(head, body...)
}
