package kerberos

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/oiweiwei/gokrb5.fork/v9/types"
)

// credential is one ticket of a credentials cache.
type credential struct {
	client, server name
	key            types.EncryptionKey
	start, end     time.Time
	ticket         []byte
}

// name is a principal.
type name struct {
	types.PrincipalName
	realm string
}

func (n name) String() string { return n.PrincipalNameString() + "@" + n.realm }

// parseCCache reads a credentials cache of version 4, the only one written since
// 1999 (MIT Kerberos, "Credential cache file format"). The library's reader
// would bring encoding/gob into every watch.
func parseCCache(data []byte) (owner name, list []credential, err error) {
	r := cacheReader{b: data}
	if r.uint16() != 0x0504 {
		return owner, nil, errors.New("it is no credentials cache of version 4")
	}
	r.take(int(r.uint16())) // header fields: the clock's offset
	owner = r.name()
	for len(r.b) > 0 && !r.short {
		c := credential{client: r.name(), server: r.name()}
		c.key.KeyType = int32(r.uint16())
		c.key.KeyValue = r.data()
		r.uint32() // time of the login
		c.start, c.end = r.time(), r.time()
		r.take(4 + 1 + 4) // renewable until, is_skey, flags
		for range 2 {     // addresses, authorization data
			for n := r.uint32(); n > 0 && !r.short; n-- {
				r.uint16()
				r.data()
			}
		}
		c.ticket = r.data()
		r.data() // second ticket
		// Entries of this realm are settings.
		if !r.short && !strings.HasPrefix(c.server.realm, "X-CACHECONF") {
			list = append(list, c)
		}
	}
	if r.short {
		return owner, nil, errors.New("it is cut short")
	}
	return owner, list, nil
}

// cacheReader reads a cache from its front. What is beyond the end is zero, and
// sets short.
type cacheReader struct {
	b     []byte
	short bool
}

func (r *cacheReader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.b, r.short = nil, true
		return nil
	}
	head := r.b[:n:n]
	r.b = r.b[n:]
	return head
}

func (r *cacheReader) uint16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *cacheReader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *cacheReader) data() []byte    { return r.take(int(r.uint32())) }
func (r *cacheReader) time() time.Time { return time.Unix(int64(r.uint32()), 0) }

func (r *cacheReader) name() (n name) {
	n.NameType = int32(r.uint32())
	parts := r.uint32()
	n.realm = string(r.data())
	for ; parts > 0 && !r.short; parts-- {
		n.NameString = append(n.NameString, string(r.data()))
	}
	return n
}
