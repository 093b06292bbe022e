package ntlm

import (
	"encoding/binary"
	"strings"
	"time"
	"unicode"

	//lint:ignore SA1019 MS-NLMP 3.3.2 hashes passwords with MD4.
	"golang.org/x/crypto/md4"
)

// ntowfv2 is NTOWFv2 (MS-NLMP 3.3.2): the key of all responses.
func ntowfv2(user, password, domain string) []byte {
	secret := unicodeBytes(password)
	h := md4.New()
	h.Write(secret)
	hash := h.Sum(nil)
	key := mac(hash, unicodeBytes(strings.Map(upper, user)+domain))
	clear(secret)
	clear(hash)
	return key
}

// upper is the upper case of Windows (MS-UCODEREF 3.1.5.3): one UTF-16 unit
// becomes one unit and, the final sigma aside, comes back in lower case, so not
// ı, ſ or µ, nor anything beyond the first 65,536 characters. Georgian has none
// there, unlike in Unicode since version 11. Samba's table is older: it leaves
// ș and some rare letters as they are.
func upper(r rune) rune {
	if r == 'ς' {
		return 'Σ'
	}
	u := unicode.ToUpper(r)
	if r > 0xffff || u > 0xffff || unicode.ToLower(u) != r || unicode.Is(unicode.Georgian, r) {
		return r
	}
	return u
}

// respond is ComputeResponse (MS-NLMP 3.3.2): the LMv2 and NTLMv2 responses,
// and the session base key. when is a FILETIME, pairs the AvPairs with their
// end.
func respond(key []byte, server, client [8]byte, when uint64, pairs []byte) (lm, nt, base []byte) {
	temp := []byte{1, 1, 0, 0, 0, 0, 0, 0}
	temp = binary.LittleEndian.AppendUint64(temp, when)
	temp = append(temp, client[:]...)
	temp = append(temp, 0, 0, 0, 0)
	temp = append(temp, pairs...)
	temp = append(temp, 0, 0, 0, 0)

	proof := mac(key, server[:], temp)
	lm = append(mac(key, server[:], client[:]), client[:]...)
	return lm, append(proof, temp...), mac(key, proof)
}

// filetime is a time in units of 100 ns since 1601 (MS-DTYP 2.3.3).
func filetime(t time.Time) uint64 {
	const epoch = 11644473600 // seconds from 1601 to 1970
	return uint64(t.Unix()+epoch)*1e7 + uint64(t.Nanosecond())/100
}
