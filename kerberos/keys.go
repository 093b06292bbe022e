package kerberos

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/oiweiwei/gokrb5.fork/v9/crypto"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/patype"
	"github.com/oiweiwei/gokrb5.fork/v9/keytab"
	"github.com/oiweiwei/gokrb5.fork/v9/types"
)

// maxKeyFile caps the size of a keytab and of a credentials cache, in bytes.
const maxKeyFile = 1 << 20

// parseKeytab reads a keytab of MIT's format. A panic of the library is an error.
func parseKeytab(path string, data []byte) (kt *keytab.Keytab, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %s is no sound keytab (the Kerberos library panicked on it: %v)",
				ErrSecret, path, v)
		}
	}()
	kt = new(keytab.Keytab)
	if err := kt.Unmarshal(data); err != nil {
		return nil, fmt.Errorf("%w: %s is no sound keytab (%v)", ErrSecret, path, err)
	}
	return kt, nil
}

// key is who logs in with what: the keys of a keytab, or a password.
type key struct {
	name     types.PrincipalName
	realm    string
	keytab   *keytab.Keytab // nil: there is the password
	path     string         // of the keytab
	password string
}

// enctypes are those that the key can be of.
func (k *key) enctypes() []int32 {
	if k.keytab == nil {
		return enctypes
	}
	var list []int32
	for _, id := range enctypes {
		if _, _, err := k.keytab.GetEncryptionKey(k.name, k.realm, 0, id); err == nil {
			list = append(list, id)
		}
	}
	return list
}

// of is the key of one encryption type, for a password with what the KDC says
// about it (RFC 4120 5.2.7.5).
func (k *key) of(info types.ETypeInfo2Entry, kvno int) (types.EncryptionKey, error) {
	if k.keytab != nil {
		found, _, err := k.keytab.GetEncryptionKey(k.name, k.realm, kvno, info.EType)
		if err != nil {
			// A KDC may count versions in another way than the keytab.
			found, _, err = k.keytab.GetEncryptionKey(k.name, k.realm, 0, info.EType)
		}
		if err != nil {
			return found, fmt.Errorf("%w: %s has no key of %s for %s@%s", ErrSecret, k.path,
				enctypeName(info.EType), k.name.PrincipalNameString(), k.realm)
		}
		return found, nil
	}
	et, err := crypto.GetEtype(info.EType)
	if err != nil {
		return types.EncryptionKey{}, err
	}
	salt, params := info.Salt, et.GetDefaultStringToKeyParams()
	if salt == "" {
		salt = k.name.GetSalt(k.realm)
	}
	if len(info.S2KParams) == 4 {
		if binary.BigEndian.Uint32(info.S2KParams) > maxIterations {
			return types.EncryptionKey{}, errors.New("the KDC asks for too many iterations over the password")
		}
		params = hex.EncodeToString(info.S2KParams)
	}
	value, err := et.StringToKey(k.password, salt, params)
	return types.EncryptionKey{KeyType: info.EType, KeyValue: value}, err
}

// choose is what the KDC says about the first encryption type that it and the
// key have in common. Without a word of it, the type given.
func (k *key) choose(pas types.PADataSequence, without int32) (types.ETypeInfo2Entry, error) {
	mine := k.enctypes()
	found := false
	for _, pa := range pas {
		if pa.PADataType != patype.PA_ETYPE_INFO2 {
			continue
		}
		var entries types.ETypeInfo2
		if _, err := asn1.Unmarshal(pa.PADataValue, &entries); err != nil {
			return types.ETypeInfo2Entry{}, err
		}
		for _, e := range entries {
			found = true
			if slices.Contains(mine, e.EType) {
				return e, nil
			}
		}
	}
	if found || !slices.Contains(mine, without) {
		return types.ETypeInfo2Entry{}, &Error{Code: NoEnctype,
			Text: "the account and this side have no AES key in common"}
	}
	return types.ETypeInfo2Entry{EType: without}, nil
}
