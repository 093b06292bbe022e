package kerberos

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/oiweiwei/gokrb5.fork/v9/crypto"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/etypeID"
	"github.com/oiweiwei/gokrb5.fork/v9/types"
)

// enctypes are the encryption types that are asked for and accepted, the most
// widespread first: those of RFC 3962, then those of RFC 8009.
var enctypes = []int32{
	etypeID.AES256_CTS_HMAC_SHA1_96, etypeID.AES128_CTS_HMAC_SHA1_96,
	etypeID.AES256_CTS_HMAC_SHA384_192, etypeID.AES128_CTS_HMAC_SHA256_128,
}

// enctypeNames are as MIT Kerberos and Windows print them.
var enctypeNames = map[int32]string{
	1: "des-cbc-crc", 3: "des-cbc-md5", 16: "des3-cbc-sha1", 23: "rc4-hmac",
	etypeID.AES128_CTS_HMAC_SHA1_96:    "aes128-cts-hmac-sha1-96",
	etypeID.AES256_CTS_HMAC_SHA1_96:    "aes256-cts-hmac-sha1-96",
	etypeID.AES128_CTS_HMAC_SHA256_128: "aes128-cts-hmac-sha256-128",
	etypeID.AES256_CTS_HMAC_SHA384_192: "aes256-cts-hmac-sha384-192",
}

func enctypeName(id int32) string {
	if name := enctypeNames[id]; name != "" {
		return name
	}
	return fmt.Sprintf("encryption type %d", id)
}

func isAES(id int32) bool { return slices.Contains(enctypes, id) }

var errMalformed = errors.New("malformed")

// caught makes an error of a kind of a panic: the library's decoders index into
// what they were sent without looking at its length.
func caught(err *error, kind error, what string) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%w: the Kerberos library panicked on %s: %v", kind, what, v)
	}
}

// checksum is the keyed checksum of two pieces, one after the other.
func checksum(key types.EncryptionKey, first, second []byte, usage uint32) ([]byte, error) {
	et, err := crypto.GetEtype(key.KeyType)
	if err != nil {
		return nil, err
	}
	return et.GetChecksumHash(key.KeyValue, append(bytes.Clone(first), second...), usage)
}

func encrypt(key types.EncryptionKey, plain []byte, usage uint32) ([]byte, error) {
	et, err := crypto.GetEtype(key.KeyType)
	if err != nil {
		return nil, err
	}
	_, sealed, err := et.EncryptMessage(key.KeyValue, plain, usage)
	return sealed, err
}

// decryptMessage opens what encrypt makes. The library slices what it is given
// without looking at its length, so this does.
func decryptMessage(key types.EncryptionKey, sealed []byte, usage uint32) ([]byte, error) {
	et, err := crypto.GetEtype(key.KeyType)
	if err != nil {
		return nil, err
	}
	if len(sealed) < et.GetConfounderByteSize()+et.GetHMACBitLength()/8 {
		return nil, errors.New("it is too short")
	}
	return et.DecryptMessage(key.KeyValue, sealed, usage)
}

// decrypt opens a sealed part of a message, which must be sealed with the key's
// encryption type.
func decrypt(part types.EncryptedData, key types.EncryptionKey, usage uint32) ([]byte, error) {
	if part.EType != key.KeyType {
		return nil, fmt.Errorf("it is sealed with %s, the key is of %s",
			enctypeName(part.EType), enctypeName(key.KeyType))
	}
	return decryptMessage(key, part.Cipher, usage)
}
