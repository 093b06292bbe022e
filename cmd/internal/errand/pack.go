package errand

import (
	"encoding"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
)

// Requests and answers travel as their values in order, without names: both
// ends are the same program. encoding/json would do, but each watch that has
// used it once keeps 100 kB for it.
//
// Numbers are varints of encoding/binary. Before a string and the elements of a
// slice stands their number, before a slice that number plus 1, and 0 for nil.
// What can write itself, such as a time, stands as a string.

var errTorn = errors.New("it is not whole")

// pack appends v, in which there are no other kinds than those named here.
// Fields that are not exported stay behind.
func pack(b []byte, v reflect.Value) []byte {
	if m, ok := v.Interface().(encoding.BinaryMarshaler); ok {
		text, _ := m.MarshalBinary() // fails for no time or address that a watch has
		return append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	switch v.Kind() {
	case reflect.String:
		return append(binary.AppendUvarint(b, uint64(v.Len())), v.String()...)
	case reflect.Bool:
		if v.Bool() {
			return append(b, 1)
		}
		return append(b, 0)
	case reflect.Int, reflect.Int64:
		return binary.AppendVarint(b, v.Int())
	case reflect.Float64:
		return binary.AppendUvarint(b, math.Float64bits(v.Float()))
	case reflect.Slice:
		if v.IsNil() {
			return append(b, 0)
		}
		b = binary.AppendUvarint(b, uint64(v.Len())+1)
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return append(b, v.Bytes()...)
		}
		for i := range v.Len() {
			b = pack(b, v.Index(i))
		}
	case reflect.Struct:
		for field, value := range v.Fields() {
			if field.IsExported() {
				b = pack(b, value)
			}
		}
	default:
		panic("errand: cannot pack " + v.Type().String())
	}
	return b
}

// unpack sets v, which is settable, and returns what follows it.
func unpack(b []byte, v reflect.Value) (rest []byte, err error) {
	if m, ok := v.Addr().Interface().(encoding.BinaryUnmarshaler); ok {
		text, rest, err := take(b, 0)
		if err != nil {
			return nil, err
		}
		return rest, m.UnmarshalBinary(text)
	}
	switch v.Kind() {
	case reflect.String:
		text, rest, err := take(b, 0)
		v.SetString(string(text))
		return rest, err
	case reflect.Bool:
		if len(b) == 0 {
			return nil, errTorn
		}
		v.SetBool(b[0] == 1)
		return b[1:], nil
	case reflect.Int, reflect.Int64:
		n, size := binary.Varint(b)
		if size <= 0 {
			return nil, errTorn
		}
		v.SetInt(n)
		return b[size:], nil
	case reflect.Float64:
		n, size := binary.Uvarint(b)
		if size <= 0 {
			return nil, errTorn
		}
		v.SetFloat(math.Float64frombits(n))
		return b[size:], nil
	case reflect.Slice:
		return unpackSlice(b, v)
	case reflect.Struct:
		for field, value := range v.Fields() {
			if !field.IsExported() {
				continue
			}
			if b, err = unpack(b, value); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	panic("errand: cannot unpack " + v.Type().String())
}

func unpackSlice(b []byte, v reflect.Value) (rest []byte, err error) {
	n, size := binary.Uvarint(b)
	switch {
	case size <= 0 || n > uint64(len(b)): // an element has at least one byte
		return nil, errTorn
	case n == 0:
		return b[size:], nil
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		text, rest, err := take(b, 1)
		v.SetBytes(append([]byte{}, text...))
		return rest, err
	}
	b = b[size:]
	v.Set(reflect.MakeSlice(v.Type(), int(n-1), int(n-1)))
	for i := range v.Len() {
		if b, err = unpack(b, v.Index(i)); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// take returns bytes whose number, plus extra, stands before them.
func take(b []byte, extra uint64) (text, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n < extra || n-extra > uint64(len(b)-size) {
		return nil, nil, errTorn
	}
	end := size + int(n-extra)
	return b[size:end], b[end:], nil
}
