package smb2

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash"
)

// Signing algorithms (MS-SMB2 2.2.3.1.7).
const (
	signHMAC = 0 // HMAC-SHA256, the first 16 bytes
	signCMAC = 1 // AES-128-CMAC
	signGMAC = 2 // AES-128-GMAC
)

// signer computes signatures (MS-SMB2 3.1.4.1). One of its first three fields is
// set. The others are memory for sum, so that a message costs no allocation.
type signer struct {
	hmac hash.Hash
	cmac *cmac
	gmac cipher.AEAD

	nonce [12]byte
	out   [sha256.Size]byte
}

// newSigner returns a signer for a session with a key of 16 bytes.
func newSigner(algorithm uint16, key []byte) (*signer, error) {
	if algorithm == signHMAC {
		return &signer{hmac: hmac.New(sha256.New, key)}, nil
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	switch algorithm {
	case signCMAC:
		return &signer{cmac: newCMAC(block)}, nil
	case signGMAC:
		gcm, err := cipher.NewGCM(block)
		return &signer{gmac: gcm}, err
	}
	return nil, fmt.Errorf("unknown signing algorithm %d", algorithm)
}

// sum returns the signature of m, a whole message of at least 64 bytes from its
// header on. The signature in m counts as zero: sum clears it and puts it back,
// so nobody else may use m in between.
func (s *signer) sum(m []byte) (signature [16]byte) {
	was := [16]byte(m[48:64])
	clear(m[48:64])
	switch {
	case s.hmac != nil:
		s.hmac.Reset()
		s.hmac.Write(m)
		s.hmac.Sum(s.out[:0])
	case s.cmac != nil:
		s.cmac.sum(s.out[:0], m)
	default:
		// MessageId, then a bit for "from the server". (That for CANCEL is never
		// due: a Conn sends none.)
		copy(s.nonce[:8], m[24:32])
		s.nonce[8] = m[16] & flagResponse
		s.gmac.Seal(s.out[:0], s.nonce[:], nil, m)
	}
	copy(m[48:64], was[:])
	return [16]byte(s.out[:16])
}

// cmac is AES-CMAC (SP 800-38B, RFC 4493).
type cmac struct {
	block  cipher.Block
	k1, k2 [16]byte // for a last block that is full, and for one that is not
	x      [16]byte
}

func newCMAC(block cipher.Block) *cmac {
	c := &cmac{block: block}
	block.Encrypt(c.x[:], c.x[:])
	c.k1 = double(c.x)
	c.k2 = double(c.k1)
	return c
}

// double multiplies by x in GF(2^128) (SP 800-38B 6.1), in constant time.
func double(b [16]byte) [16]byte {
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	binary.BigEndian.PutUint64(b[:8], hi<<1|lo>>63)
	binary.BigEndian.PutUint64(b[8:], lo<<1^-(hi>>63)&0x87)
	return b
}

// sum appends the 16 bytes of the code for m to dst.
func (c *cmac) sum(dst, m []byte) []byte {
	c.x = [16]byte{}
	n := max(len(m)-1, 0) / 16 * 16 // the last block, full or not, is left over
	chain(c.block, &c.x, m[:n])
	last := m[n:]
	subtle.XORBytes(c.x[:], c.x[:], last)
	if len(last) == 16 {
		subtle.XORBytes(c.x[:], c.x[:], c.k1[:])
	} else {
		c.x[len(last)] ^= 0x80
		subtle.XORBytes(c.x[:], c.x[:], c.k2[:])
	}
	c.block.Encrypt(c.x[:], c.x[:])
	return append(dst, c.x[:]...)
}

// chain is CBC-MAC: it goes on from x with p, which counts as filled with zeros
// to a multiple of 16 bytes.
func chain(block cipher.Block, x *[16]byte, p []byte) {
	for len(p) > 0 {
		p = p[subtle.XORBytes(x[:], x[:], p):]
		block.Encrypt(x[:], x[:])
	}
}
