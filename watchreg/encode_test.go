package watchreg

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// The status is written as encoding/json writes it, byte for byte, whatever
// stands in each field.
func TestStatusIsJSON(t *testing.T) {
	same := func(s Status) {
		t.Helper()
		want, err := json.Marshal(s)
		must(t, err)
		if got := s.appendJSON(nil); string(got) != string(want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	same(Status{})
	random := rand.New(rand.NewPCG(1, 2))
	var every []rune
	for r := range rune(0x300) {
		every = append(every, r)
	}
	every = append(every, 0x2028, 0x2029, 0xfffd, 0x1f600, 0x10ffff)
	text := func() string {
		var b []byte
		for range random.IntN(20) {
			if random.IntN(8) == 0 {
				b = append(b, byte(random.IntN(256))) // seldom a character
			} else {
				b = append(b, string(every[random.IntN(len(every))])...)
			}
		}
		return string(b)
	}
	same(Status{Note: string(every), LastError: "\xff\xe2\x80"})
	fields := reflect.TypeFor[Status]()
	for n := range 2000 {
		var s Status
		v := reflect.ValueOf(&s).Elem()
		for i := range v.NumField() {
			if random.IntN(4) == 0 && n > 0 { // the first has all
				continue
			}
			switch f := v.Field(i).Addr().Interface().(type) {
			case *int:
				*f = random.IntN(100000) - 1000
			case *float64:
				*f = float64(random.IntN(1<<20)) / 1000
			case *string:
				*f = text()
			case *State:
				*f = State(text())
			case *time.Time:
				*f = time.Unix(random.Int64N(1<<33), random.Int64N(1e9)).
					In(time.FixedZone("", 900*(random.IntN(96)-48)))
			case *[]string:
				for range random.IntN(4) {
					*f = append(*f, text())
				}
			default:
				t.Fatalf("%s: a type that this test does not know", fields.Field(i).Name)
			}
		}
		same(s)
	}
}
