package errand

import (
	"math"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

type inner struct {
	Text  string
	Bytes []byte
}

type packed struct {
	Number    int
	Long      int64
	Float     float64
	Yes, No   bool
	At, Never time.Time
	Address   netip.AddrPort
	Took      time.Duration
	Words     []string
	Lists     [][]string
	Parts     []inner
	Nil       []inner
	Empty     []byte
	Inner     inner
	stays     func()
}

// What was packed comes out again, nil slices as nil. A part of it is an error.
func TestPack(t *testing.T) {
	want := packed{Number: -5, Long: math.MinInt64, Float: 1.25, Yes: true,
		At: time.Date(2026, 3, 4, 5, 6, 7, 8, time.FixedZone("", 3600)), Took: time.Hour,
		Address: netip.MustParseAddrPort("[fe80::1%lo]:445"),
		Words:   []string{"", "a\x00\xff"}, Lists: [][]string{nil, {}, {"x"}},
		Parts: []inner{{"t", []byte("b")}, {}}, Empty: []byte{},
		Inner: inner{"deep", make([]byte, 300)}, stays: nil}
	text := pack(nil, reflect.ValueOf(want))
	var got packed
	rest, err := unpack(append(text, "rest"...), reflect.ValueOf(&got).Elem())
	if err != nil || string(rest) != "rest" {
		t.Errorf("%q, %v", rest, err)
	}
	if !got.At.Equal(want.At) {
		t.Errorf("%v, want %v", got.At, want.At)
	}
	got.At = want.At // its location is another one of the same offset
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	for n := range len(text) {
		if _, err := unpack(text[:n], reflect.ValueOf(new(packed)).Elem()); err == nil {
			t.Errorf("the first %d bytes of %d are taken for the whole", n, len(text))
		}
	}
}
