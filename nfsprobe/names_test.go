package nfsprobe

import (
	"fmt"
	"testing"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
)

// The lists have the library's names, all of them and no others.
func TestNames(t *testing.T) {
	for number := range uint32(20000) {
		want, known := nfsv4.Nfsstat4_name[nfsv4.Nfsstat4(number)]
		if !known || number == 0 { // which is no error
			want = fmt.Sprint(number)
		}
		if got := (&Status4{"OPEN", number}).Error(); got != "OPEN: "+want {
			t.Errorf("status %d: %q, want %q", number, got, want)
		}
		want, known = nfsv4.NfsOpnum4_name[nfsv4.NfsOpnum4(number)]
		if !known {
			want = fmt.Sprintf("OP_operation %d", number)
		}
		if got := opName(nfsv4.NfsOpnum4(number)); "OP_"+got != want {
			t.Errorf("operation %d: %q, want %q", number, got, want)
		}
	}
}
