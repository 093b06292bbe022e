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

// Names and numbers are those of RFC 7530 13.1, RFC 8881 15.1 and RFC 7862
// 11.1.
func TestStatus4(t *testing.T) {
	for _, c := range []struct {
		status Status4
		want   string
	}{
		{Status4{"LOOKUP", 2}, "LOOKUP: NFS4ERR_NOENT"},
		{Status4{"LOOKUP", 13}, "LOOKUP: NFS4ERR_ACCESS"},
		{Status4{"GETATTR", 70}, "GETATTR: NFS4ERR_STALE"},
		{Status4{"PUTFH", 10001}, "PUTFH: NFS4ERR_BADHANDLE"},
		{Status4{"LOOKUP", 10008}, "LOOKUP: NFS4ERR_DELAY"},
		{Status4{"OPEN", 10013}, "OPEN: NFS4ERR_GRACE"},
		{Status4{"PUTFH", 10014}, "PUTFH: NFS4ERR_FHEXPIRED"},
		{Status4{"LOOKUP", 10016}, "LOOKUP: NFS4ERR_WRONGSEC"},
		{Status4{"LOOKUP", 10019}, "LOOKUP: NFS4ERR_MOVED"},
		{Status4{"COMPOUND", 10021}, "COMPOUND: NFS4ERR_MINOR_VERS_MISMATCH"},
		{Status4{"SEQUENCE", 10052}, "SEQUENCE: NFS4ERR_BADSESSION"},
		{Status4{"SEQUENCE", 10063}, "SEQUENCE: NFS4ERR_SEQ_MISORDERED"},
		{Status4{"COMPOUND", 10070}, "COMPOUND: NFS4ERR_TOO_MANY_OPS"},
		{Status4{"DESTROY_CLIENTID", 10074}, "DESTROY_CLIENTID: NFS4ERR_CLIENTID_BUSY"},
		{Status4{"SEQUENCE", 10087}, "SEQUENCE: NFS4ERR_DELEG_REVOKED"},
		{Status4{"COPY", 10094}, "COPY: NFS4ERR_OFFLOAD_NO_REQS"},
		{Status4{"LOOKUP", 12345}, "LOOKUP: 12345"},
		{Status4{"LOOKUP", 1<<32 - 1}, "LOOKUP: 4294967295"},
	} {
		if got := c.status.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	if got := opName(nfsv4.OP_DESTROY_CLIENTID) + " " +
		opName(99999); got != "DESTROY_CLIENTID operation 99999" {
		t.Error(got)
	}
}
