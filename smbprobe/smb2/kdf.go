package smb2

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// keys are a session's keys (MS-SMB2 3.2.5.3.1): of the one who encrypts, that
// is the client. In 2.x only signing is set.
type keys struct {
	signing, encrypt, decrypt []byte
}

// wipe overwrites the keys with zeros.
func (k keys) wipe() {
	clear(k.signing)
	clear(k.encrypt)
	clear(k.decrypt)
}

// deriveKeys makes a session's keys from sessionKey, which is the whole key of
// the authentication, and in 3.1.1 also from preauth, the session's hash of
// pre-authentication integrity (MS-SMB2 3.1.4.2, 3.2.5.3.1). For the signing
// key and for AES-128 only the first 16 bytes of sessionKey count; a shorter one
// is filled with zeros.
func deriveKeys(dialect, cipher uint16, sessionKey, preauth []byte) keys {
	short := make([]byte, 16)
	copy(short, sessionKey)
	if dialect < dialect300 {
		return keys{signing: short}
	}
	defer clear(short)
	if dialect < dialect311 {
		return keys{
			signing: deriveKey(short, "SMB2AESCMAC\x00", []byte("SmbSign\x00"), 16),
			encrypt: deriveKey(short, "SMB2AESCCM\x00", []byte("ServerIn \x00"), 16),
			decrypt: deriveKey(short, "SMB2AESCCM\x00", []byte("ServerOut\x00"), 16),
		}
	}
	full, n := short, 16
	if cipher == aes256CCM || cipher == aes256GCM {
		full, n = sessionKey, 32
	}
	return keys{
		signing: deriveKey(short, "SMBSigningKey\x00", preauth, 16),
		encrypt: deriveKey(full, "SMBC2SCipherKey\x00", preauth, n),
		decrypt: deriveKey(full, "SMBS2CCipherKey\x00", preauth, n),
	}
}

// deriveKey is the KDF of SP 800-108 5.1, in counter mode with HMAC-SHA256 and
// 32 bits for counter and length. It returns n bytes, at most 32, so that the
// counter never goes beyond 1.
func deriveKey(key []byte, label string, context []byte, n int) []byte {
	in := append(make([]byte, 0, 128), 0, 0, 0, 1)
	in = append(in, label...)
	in = append(in, 0)
	in = append(in, context...)
	in = binary.BigEndian.AppendUint32(in, uint32(n)*8)
	h := hmac.New(sha256.New, key)
	h.Write(in)
	return h.Sum(make([]byte, 0, sha256.Size))[:n]
}
