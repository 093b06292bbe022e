package kerberos

import (
	"cmp"
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

const (
	// maxKeyFile caps the size of a keytab and of a credentials cache, in bytes.
	maxKeyFile = 1 << 20
	// maxIterations caps those of PBKDF2 for a password (RFC 3962 4), which the
	// KDC sets: more would only burn CPU.
	maxIterations = 1 << 20
)

// parseKeytab reads a keytab of MIT's format. A panic of the library is an
// error. The library's own errors are not shown: they quote the keys.
func parseKeytab(path string, data []byte) (kt *keytab.Keytab, err error) {
	unsound := fmt.Errorf("%w: %s is no sound keytab", ErrSecret, path)
	defer func() {
		if recover() != nil {
			kt, err = nil, unsound
		}
	}()
	kt = new(keytab.Keytab)
	if kt.Unmarshal(data) != nil {
		return nil, unsound
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
		if k.find(id, 0) != nil {
			list = append(list, id)
		}
	}
	return list
}

// find is the key of one encryption type and version in the keytab; version 0:
// the newest. The library goes by the time of writing, which is often the same
// for old and new keys.
func (k *key) find(enctype int32, kvno int) (found *types.EncryptionKey) {
	newest := uint32(0)
	for i, e := range k.keytab.Entries {
		if e.Key.KeyType == enctype && e.Principal.Realm == k.realm &&
			slices.Equal(e.Principal.Components, k.name.NameString) &&
			(kvno == 0 || e.KVNO == uint32(kvno)) && (found == nil || e.KVNO >= newest) {
			found, newest = &k.keytab.Entries[i].Key, e.KVNO
		}
	}
	return found
}

// of is the key of one encryption type, for a password with what the KDC says
// about it (RFC 4120 5.2.7.5).
func (k *key) of(info types.ETypeInfo2Entry, kvno int) (types.EncryptionKey, error) {
	if k.keytab != nil {
		// A KDC may count versions in another way than the keytab.
		found := cmp.Or(k.find(info.EType, kvno), k.find(info.EType, 0))
		if found == nil {
			return types.EncryptionKey{}, fmt.Errorf("%w: %s has no key of %s for %s", ErrSecret,
				k.path, enctypeName(info.EType), name{k.name, k.realm})
		}
		return *found, nil
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
			return types.EncryptionKey{}, errors.New("the KDC asks for too many iterations over " +
				"the password")
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
