package cmdtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// The names are those of the catalogues' messages: none is missing, none is
// left.
func TestMessagesAreNamed(t *testing.T) {
	want := map[int]bool{Plain: true}
	for _, program := range []string{"clp_sambamon", "clp_nfsmon"} {
		golden := read(t, "../../../"+program+"/testdata/catalogue.golden")
		for row := range strings.Lines(golden) {
			var number int
			if _, err := fmt.Sscan(row, &number); err != nil {
				t.Fatalf("%s: %q: %v", program, row, err)
			}
			want[number] = true
		}
	}
	have, all := slices.Sorted(maps.Keys(nameOf)), slices.Sorted(maps.Keys(want))
	if !slices.Equal(have, all) {
		t.Errorf("named are %v, the catalogues have %v", have, all)
	}
	if len(numberOf) != len(nameOf) {
		t.Errorf("%d names for %d messages", len(numberOf), len(nameOf))
	}
}
