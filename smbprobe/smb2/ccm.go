package smb2

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

var errAuthentic = errors.New("message authentication failed")

// ccm is AES-CCM (SP 800-38C, RFC 3610) as a cipher.AEAD. SMB uses a nonce of 11
// and a tag of 16 bytes; the published vectors have other sizes too.
type ccm struct {
	block      cipher.Block
	nonce, tag int

	// Memory of one call, so that a message costs no allocation: the counter
	// block, its key stream, the CBC-MAC and the mask of the tag.
	count, stream, mac, mask [16]byte
}

func (c *ccm) NonceSize() int { return c.nonce }
func (c *ccm) Overhead() int  { return c.tag }

// Seal appends ciphertext and tag to dst. As with other AEADs the plaintext may
// lie at dst's end, to be encrypted in place, or apart from it.
func (c *ccm) Seal(dst, nonce, plaintext, data []byte) []byte {
	c.authenticate(nonce, plaintext, data)
	n := len(dst)
	dst = append(dst, plaintext...)
	c.crypt(dst[n:])
	return append(dst, c.mac[:c.tag]...)
}

// Open appends the plaintext to dst. The ciphertext may lie at dst's end.
func (c *ccm) Open(dst, nonce, ciphertext, data []byte) ([]byte, error) {
	if len(ciphertext) < c.tag {
		return nil, errAuthentic
	}
	var want [16]byte
	n, end := len(dst), len(ciphertext)-c.tag
	copy(want[:], ciphertext[end:])
	dst = append(dst, ciphertext[:end]...)
	c.start(nonce)
	c.crypt(dst[n:])
	c.authenticate(nonce, dst[n:], data)
	if subtle.ConstantTimeCompare(c.mac[:c.tag], want[:c.tag]) == 0 {
		clear(dst[n:])
		return nil, errAuthentic
	}
	return dst, nil
}

// start puts the counter before the message's first block (SP 800-38C A.3).
// What it encrypts to there masks the tag.
func (c *ccm) start(nonce []byte) {
	if len(nonce) != c.nonce {
		panic("smb2: wrong length of a CCM nonce")
	}
	c.count = [16]byte{byte(14 - c.nonce)}
	copy(c.count[1:], nonce)
	c.block.Encrypt(c.mask[:], c.count[:])
}

// authenticate leaves the tag in c.mac and the counter as start does.
func (c *ccm) authenticate(nonce, plaintext, data []byte) {
	if len(data) >= 0xff00 || c.nonce > 11 && len(plaintext)>>(8*(15-c.nonce)) != 0 {
		panic("smb2: too much data for CCM")
	}
	c.start(nonce)
	// The first block (SP 800-38C A.2.1): flags, nonce, length of the message.
	binary.BigEndian.PutUint64(c.mac[8:], uint64(len(plaintext)))
	c.mac[0] = byte((c.tag-2)/2<<3 + 14 - c.nonce)
	if len(data) > 0 {
		c.mac[0] |= 1 << 6
	}
	copy(c.mac[1:], nonce)
	c.block.Encrypt(c.mac[:], c.mac[:])
	if len(data) > 0 {
		// The length of the data is a part of its first block (A.2.2).
		c.stream = [16]byte{}
		binary.BigEndian.PutUint16(c.stream[:], uint16(len(data)))
		n := copy(c.stream[2:], data)
		chain(c.block, &c.mac, c.stream[:])
		chain(c.block, &c.mac, data[n:])
	}
	chain(c.block, &c.mac, plaintext)
	subtle.XORBytes(c.mac[:], c.mac[:], c.mask[:])
}

// crypt encrypts or decrypts p in place, from the counter's next block on.
func (c *ccm) crypt(p []byte) {
	for len(p) > 0 {
		for i := 15; i > c.nonce; i-- {
			if c.count[i]++; c.count[i] != 0 {
				break
			}
		}
		c.block.Encrypt(c.stream[:], c.count[:])
		p = p[subtle.XORBytes(p, p, c.stream[:]):]
	}
}
