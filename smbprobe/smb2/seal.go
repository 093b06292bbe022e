package smb2

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
)

// Ciphers (MS-SMB2 2.2.3.1.2).
const (
	aes128CCM = 1
	aes128GCM = 2
	aes256CCM = 3
	aes256GCM = 4
)

// The transform header (MS-SMB2 2.2.41): ProtocolId, Signature (16 bytes), Nonce
// (16), OriginalMessageSize (4), Reserved (2), Flags (2), SessionId (8). All
// from the nonce on is authenticated with the message.
const (
	sealTag   = 4
	sealNonce = 20
	sealSize  = 36
	sealFlags = 42

	sealEncrypted = 1 // Flags; EncryptionAlgorithm AES-128-CCM in 3.0 and 3.0.2
)

// sealer encrypts and decrypts the messages of one session (MS-SMB2 3.1.4.3).
type sealer struct {
	encrypt, decrypt cipher.AEAD

	next   [16]byte                       // nonce of the next message
	header [transformLen - sealNonce]byte // what a message is authenticated with
}

// newSealer returns a sealer for a cipher and the keys of its size.
func newSealer(cipher uint16, encrypt, decrypt []byte) (*sealer, error) {
	s := &sealer{}
	var err error
	if s.encrypt, err = newAEAD(cipher, encrypt); err != nil {
		return nil, err
	}
	if s.decrypt, err = newAEAD(cipher, decrypt); err != nil {
		return nil, err
	}
	rand.Read(s.next[:s.encrypt.NonceSize()])
	return s, nil
}

func newAEAD(id uint16, key []byte) (cipher.AEAD, error) {
	size := 16
	switch id {
	case aes128CCM, aes128GCM:
	case aes256CCM, aes256GCM:
		size = 32
	default:
		return nil, fmt.Errorf("unknown cipher %d", id)
	}
	if len(key) != size {
		return nil, fmt.Errorf("key of %d bytes for cipher %d, not %d", len(key), id, size)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if id == aes128CCM || id == aes256CCM {
		return &ccm{block: block, nonce: 11, tag: 16}, nil
	}
	return cipher.NewGCM(block)
}

// seal appends m, encrypted, to dst: a transform header and as many bytes as m
// has. m must not lie behind dst in the same memory.
//
// A nonce must never come twice under one key. The first one is random, so that
// two sealers with the same key do not meet; from there 64 bits are counted.
func (s *sealer) seal(dst []byte, sessionID uint64, m []byte) []byte {
	counter := s.next[:8]
	binary.LittleEndian.PutUint64(counter, binary.LittleEndian.Uint64(counter)+1)

	h := s.header[:]
	copy(h, s.next[:])
	binary.LittleEndian.PutUint32(h[sealSize-sealNonce:], uint32(len(m)))
	binary.LittleEndian.PutUint32(h[sealFlags-2-sealNonce:], sealEncrypted<<16)
	binary.LittleEndian.PutUint64(h[transformLen-8-sealNonce:], sessionID)

	// The cipher puts the tag behind the message, SMB before it. So encrypt 16
	// bytes too early, then move: this needs no memory beyond the frame.
	start := len(dst)
	dst = slices.Grow(dst, transformLen+len(m))
	f := dst[start : start+transformLen+len(m)]
	early := f[transformLen-16:]
	s.encrypt.Seal(early[:0], h[:s.encrypt.NonceSize()], m, h)
	var tag [16]byte
	copy(tag[:], early[len(m):])
	copy(f[transformLen:], early[:len(m)])
	copy(f, "\xfdSMB")
	copy(f[sealTag:], tag[:])
	copy(f[sealNonce:], h)
	return dst[:start+len(f)]
}

// open decrypts f, one frame from its transform header on, and returns the
// message in it, which lies in f's memory. In case of an error f is destroyed.
func (s *sealer) open(f []byte) ([]byte, error) {
	if len(f) < transformLen || string(f[:4]) != "\xfdSMB" {
		return nil, fmt.Errorf("no transform header in a frame of %d bytes", len(f))
	}
	n := len(f) - transformLen
	if size := binary.LittleEndian.Uint32(f[sealSize:]); uint64(size) != uint64(n) {
		return nil, fmt.Errorf("encrypted frame with %d bytes where its header says %d", n, size)
	}
	if flags := binary.LittleEndian.Uint16(f[sealFlags:]); flags != sealEncrypted {
		return nil, fmt.Errorf("encrypted frame with flags 0x%04X", flags)
	}
	// As in seal: the cipher wants the tag behind the message.
	h := s.header[:]
	copy(h, f[sealNonce:])
	tag := [16]byte(f[sealTag:])
	early := f[transformLen-16:]
	copy(early, f[transformLen:])
	copy(early[n:], tag[:])
	m, err := s.decrypt.Open(early[:0], h[:s.decrypt.NonceSize()], early, h)
	if err != nil {
		return nil, errAuthentic
	}
	return m, nil
}
