package nfsprobe

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
)

// exchange4 is a COMPOUND and its answer.
type exchange4 struct {
	ops    []nfsv4.NfsArgop4
	answer []byte
}

// exchanges4 returns those of one probe of version 4.2, with a long path and an
// error among them.
func exchanges4(t testing.TB) []exchange4 {
	t.Helper()
	f := linked()
	f.takes = []int32{1, -1}
	sid := nfsv4.Sessionid4{6: 1001 >> 8, 7: 1001 & 0xff}
	sequence := func(n uint32) nfsv4.NfsArgop4 {
		return &nfsv4.NfsArgop4_OP_SEQUENCE{Opsequence: nfsv4.Sequence4args{SaSessionid: sid,
			SaSequenceid: n}}
	}
	lookup := func(name string) nfsv4.NfsArgop4 { return newLookup4(name).NfsArgop4_OP_LOOKUP }
	getattr := &nfsv4.NfsArgop4_OP_GETATTR{Opgetattr: nfsv4.Getattr4args{AttrRequest: []uint32{2}}}
	var all []exchange4
	for _, ops := range [][]nfsv4.NfsArgop4{
		{&nfsv4.NfsArgop4_OP_EXCHANGE_ID{OpexchangeId: nfsv4.ExchangeId4args{
			EiaStateProtect: &nfsv4.StateProtect4A_SP4_NONE{}}}},
		{&nfsv4.NfsArgop4_OP_CREATE_SESSION{OpcreateSession: nfsv4.CreateSession4args{
			CsaClientid: 1001, CsaSequence: 7}}},
		{sequence(1), &nfsv4.NfsArgop4_OP_PUTROOTFH{}, lookup("export"),
			&nfsv4.NfsArgop4_OP_GETFH{}},
		{sequence(2), &nfsv4.NfsArgop4_OP_PUTFH{Opputfh: nfsv4.Putfh4args{Object: []byte{0, 0, 0,
			0}}}, &nfsv4.NfsArgop4_OP_GETFH{},
			getattr, &nfsv4.NfsArgop4_OP_ACCESS{Opaccess: nfsv4.Access4args{Access: accessAll}}},
		{sequence(3), &nfsv4.NfsArgop4_OP_PUTROOTFH{}, lookup("nosuch"),
			&nfsv4.NfsArgop4_OP_GETFH{}},
		{sequence(4), &nfsv4.NfsArgop4_OP_PUTROOTFH{},
			&nfsv4.NfsArgop4_OP_SECINFO{Opsecinfo: nfsv4.Secinfo4args{Name: "export"}}},
		{sequence(5), &nfsv4.NfsArgop4_OP_PUTROOTFH{}, lookup("export"), lookup("link"),
			&nfsv4.NfsArgop4_OP_READLINK{}},
		{&nfsv4.NfsArgop4_OP_DESTROY_SESSION{OpdestroySession: nfsv4.DestroySession4args{DsaSessionid: sid}}},
		{&nfsv4.NfsArgop4_OP_DESTROY_CLIENTID{
			OpdestroyClientid: nfsv4.DestroyClientid4args{DcaClientid: 1001}}},
	} {
		answer := f.compound(nfsv4.Compound4args{Minorversion: 2, Argarray: ops})
		if ok := answer.Status == nfsv4.NFS4_OK; !ok && len(all) != 4 {
			t.Fatalf("COMPOUND %d: %+v", len(all), answer)
		}
		all = append(all, exchange4{ops, encode4(answer)})
	}
	return all
}

// decoded4 decodes an answer and asserts what is true for every answer.
func decoded4(t *testing.T, ops []nfsv4.NfsArgop4, answer []byte) ([]nfsv4.NfsResop4, error) {
	t.Helper()
	results, err := decodeCompound(bytes.NewReader(answer), ops)
	var status *Status4
	var bad *MalformedError
	switch {
	case errors.As(err, &bad):
		if len(results) != 0 {
			t.Errorf("%d results with %v", len(results), err)
		}
	case err == nil && len(results) != len(ops), errors.As(err, &status) &&
		len(results) >= len(ops):
		t.Errorf("%d results for %d operations, %v", len(results), len(ops), err)
	case err != nil && (status == nil || status.Code == 0):
		t.Errorf("%T %v", err, err)
	}
	for i, result := range results {
		if result.GetResop() != ops[i].GetArgop() || status4(result) != nfsv4.NFS4_OK {
			t.Errorf("result %d is %T of status %d", i, result, status4(result))
		}
	}
	return results, err
}

// An answer that is cut is malformed, wherever it is cut. Bytes behind an
// answer are ignored.
func TestTruncated4(t *testing.T) {
	for i, e := range exchanges4(t) {
		whole, err := decoded4(t, e.ops, e.answer)
		var bad *MalformedError
		for n := range e.answer {
			if _, err := decoded4(t, e.ops, e.answer[:n]); !errors.As(err, &bad) {
				t.Errorf("COMPOUND %d: the first %d of %d bytes: %v", i, n, len(e.answer), err)
			}
		}
		more, merr := decoded4(t, e.ops, append(slices.Clone(e.answer), 1, 2, 3))
		if len(more) != len(whole) || (merr == nil) != (err == nil) {
			t.Errorf("COMPOUND %d: with bytes behind it %v", i, merr)
		}
	}
}

// The same over a connection: a probe fails at the step whose answer was cut.
func TestTruncatedOnWire4(t *testing.T) {
	var sizes []int
	f := newFake4()
	f.edit = func(_ int, reply []byte) []byte {
		sizes = append(sizes, len(reply))
		return reply
	}
	if _, err := f.speak(t, "4.1", "/export"); err != nil || len(sizes) != 5 {
		t.Fatal(err, sizes)
	}
	for n, step := range []Step{ExchangeID, CreateSession, Lookup, DestroySession,
		DestroyClientID} {
		for cut := 1; cut < sizes[n]; cut++ {
			f := newFake4()
			f.edit = func(i int, reply []byte) []byte {
				if i == n {
					return reply[:cut]
				}
				return reply
			}
			_, err := f.speak(t, "4.1", "/export")
			fails(t, err, step, &MalformedError{"COMPOUND"})
			// The probe cannot destroy what it does not know of.
			if left := f.left(); n > 1 && left > 0 {
				t.Errorf("%v: %d left", step, left)
			}
		}
	}
}

func TestDecodeCompound(t *testing.T) {
	all := exchanges4(t)
	walk := all[3]
	answer := func(status nfsv4.Nfsstat4, results ...nfsv4.NfsResop4) []byte {
		return encode4(&nfsv4.Compound4res{Status: status, Resarray: results})
	}
	ok := func(i int) nfsv4.NfsResop4 { return failed4(walk.ops[i], nfsv4.NFS4_OK) }
	no := func(i int) nfsv4.NfsResop4 { return failed4(walk.ops[i], nfsv4.NFS4ERR_IO) }
	good, err := decoded4(t, walk.ops, walk.answer)
	if err != nil {
		t.Fatal(err)
	}
	io := nfsv4.NFS4ERR_IO
	for _, c := range []struct {
		name   string
		answer []byte
		want   error
	}{
		{"no operation looked at", answer(io), &Status4{"COMPOUND", 5}},
		{"first", answer(io, no(0)), &Status4{"SEQUENCE", 5}},
		{"third", answer(io, good[0], ok(1), no(2)), &Status4{"GETFH", 5}},
		{"unknown status", answer(77777, good[0], failed4(walk.ops[1], 77777)),
			&Status4{"PUTFH", 77777}},
		{"unknown operation", answer(nfsv4.NFS4ERR_OP_ILLEGAL, good[0],
			failed4(&nfsv4.NfsArgop4_OP_ILLEGAL{},
				nfsv4.NFS4ERR_OP_ILLEGAL)), &Status4{"PUTFH", 10044}},
		{"ILLEGAL, but fine", answer(nfsv4.NFS4_OK, append(slices.Clone(good[:4]),
			failed4(&nfsv4.NfsArgop4_OP_ILLEGAL{},
				nfsv4.NFS4_OK))...), &MalformedError{"a result of ILLEGAL for ACCESS"}},
		{"tag", encode4(&nfsv4.Compound4res{Status: io, Tag: "whatever"}), &Status4{"COMPOUND", 5}},
		{"one too few", answer(nfsv4.NFS4_OK, good[:4]...), &MalformedError{"4 results for 5"}},
		{"one too many", answer(nfsv4.NFS4_OK, append(slices.Clone(good), good[4])...),
			&MalformedError{"6 results for 5"}},
		{"one too many, failed", answer(io, append(slices.Clone(good), no(4))...),
			&MalformedError{"6 results for 5"}},
		{"another order", answer(nfsv4.NFS4_OK, good[0], good[1], good[3], good[2], good[4]),
			&MalformedError{"a result of GETATTR for GETFH"}},
		{"failed in the middle", answer(io, good[0], no(1), good[2]),
			&MalformedError{"PUTFH: NFS4ERR_IO in a COMPOUND"}},
		{"failed, but fine", answer(nfsv4.NFS4_OK, good[0], good[1], good[2], good[3], no(4)),
			&MalformedError{"ACCESS: NFS4ERR_IO in a COMPOUND"}},
		{"fine, but failed", answer(io, good...), &MalformedError{"in a COMPOUND of status 5"}},
		{"another failure", answer(io, good[0], failed4(walk.ops[1], nfsv4.NFS4ERR_STALE)),
			&MalformedError{"PUTFH: NFS4ERR_STALE in a COMPOUND of status 5"}},
		{"four billion results", []byte{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
			&MalformedError{"EOF"}},
		{"a handle of 129 bytes", answer(nfsv4.NFS4_OK, good[0], good[1], oversized{good[2]}),
			&MalformedError{"129"}},
		{"an operation that does not exist",
			[]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0,
				0}, &MalformedError{"unknown value 256"}},
	} {
		_, err := decoded4(t, walk.ops, c.answer)
		fails(t, &Error{Step: Lookup, Err: err}, Lookup, c.want)
		if t.Failed() {
			t.Fatal(c.name)
		}
	}
}

// oversized is a GETFH result that the library would not encode.
type oversized struct{ nfsv4.NfsResop4 }

func (oversized) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(append([]byte{0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 129}, make([]byte, 132)...))
	return int64(n), err
}

// Answers that can be decoded but do not fit the request.
func TestMalformed4(t *testing.T) {
	id := nfsv4.Sessionid4{6: 1001 >> 8, 7: 1001 & 0xff}
	sequence := func(id nfsv4.Sessionid4, n, slot uint32) nfsv4.NfsResop4 {
		return &nfsv4.NfsResop4_OP_SEQUENCE{
			Opsequence: &nfsv4.Sequence4res_NFS4_OK{SrResok4: nfsv4.Sequence4resok{SrSessionid: id,
				SrSequenceid: n, SrSlotid: slot}},
		}
	}
	var made nfsv4.CreateSession4resok // which edit changes
	fore := &made.CsrForeChanAttrs
	session := func(edit func()) nfsv4.NfsResop4 {
		made = nfsv4.CreateSession4resok{CsrSessionid: id, CsrSequence: 7,
			CsrForeChanAttrs: nfsv4.ChannelAttrs4{CaMaxrequestsize: 1024, CaMaxresponsesize: 1024,
				CaMaxoperations: 6, CaMaxrequests: 1}}
		edit()
		return &nfsv4.NfsResop4_OP_CREATE_SESSION{
			OpcreateSession: &nfsv4.CreateSession4res_NFS4_OK{CsrResok4: made},
		}
	}
	directory := []byte{0, 0, 0, 2}
	for _, c := range []struct {
		name   string
		result nfsv4.NfsResop4
		step   Step
		want   string // part of the *MalformedError; "": healthy
	}{
		{"session", sequence(nfsv4.Sessionid4{1}, 1, 0), Lookup, "another session"},
		{"sequence id", sequence(id, 2, 0), Lookup, "request 2 instead of"},
		{"slot", sequence(id, 1, 1), Lookup, "slot 1"},
		{"least session", session(func() {}), 0, ""},
		{"session sequence", session(func() { made.CsrSequence = 8 }),
			CreateSession, "CREATE_SESSION 8 instead of 7"},
		{"no slots", session(func() { fore.CaMaxrequests = 0 }), CreateSession, "without slots"},
		{"operations", session(func() { fore.CaMaxoperations = 5 }), CreateSession, "5 operations"},
		{"request size", session(func() { fore.CaMaxrequestsize = 1023 }), CreateSession,
			"1023 bytes a request"},
		{"answer size", session(func() { fore.CaMaxresponsesize = 1023 }), CreateSession,
			"1023 bytes an answer"},
		{"huge session", session(func() { fore.CaMaxoperations = 1 << 31 }), 0, ""},
		{"no handle", handle4(nil), Lookup, "empty file handle"},
		{"longest handle", handle4(make([]byte, 128)), 0, ""},
		{"attributes", attributes4([]uint32{2, 0, 0}, directory), 0, ""},
		{"another attribute", attributes4([]uint32{3}, directory), Getattr, "not asked for"},
		{"another attribute, far away", attributes4([]uint32{2, 0, 1}, directory), Getattr,
			"not asked for"},
		{"no attribute", attributes4(nil, nil), Getattr, "without a file type"},
		{"attribute of another word", attributes4([]uint32{0, 2}, directory), Getattr,
			"not asked for"},
		{"short type", attributes4([]uint32{2}, directory[:3]), Getattr, "without a file type"},
		{"long type", attributes4([]uint32{2}, append(directory, 0, 0, 0, 0)), Getattr,
			"without a file type"},
		{"type 0", attributes4([]uint32{2}, make([]byte, 4)), Getattr, "file type 0"},
		{"nothing allowed", access4(0, accessAll), 0, ""},
		{"every bit", access4(1<<32-1, 1<<32-1), 0, ""},
	} {
		f := newFake4()
		f.answer = func(op nfsv4.NfsArgop4) nfsv4.NfsResop4 {
			if op.GetArgop() != c.result.GetResop() {
				return nil
			}
			f.do(op) // done, whatever is answered
			return c.result
		}
		_, err := f.speak(t, "4.1", "/export")
		if c.want != "" {
			fails(t, err, c.step, &MalformedError{c.want})
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if f.left() != 0 {
			t.Errorf("%s: %d left", c.name, f.left())
		}
	}
}

func TestServerName4(t *testing.T) {
	implementation := func(name string) []nfsv4.NfsImplId4 {
		return []nfsv4.NfsImplId4{{NiiName: name}}
	}
	for _, c := range []struct {
		owner string
		impl  []nfsv4.NfsImplId4
		want  string
	}{
		{"filer.example", nil, "filer.example"},
		{"filer", implementation("Linux 6.12 x86_64"), "Linux 6.12 x86_64"},
		{"filer", implementation(""), "filer"},
		{"\x1b[2J\x00 a\nb\x7f\xff", nil, "[2J ab"},
		{strings.Repeat("x", 1000), nil, strings.Repeat("x", 60)},
		{"", nil, ""},
	} {
		us := nfsv4.ExchangeId4resok{EirServerOwner: nfsv4.ServerOwner4{SoMajorId: []byte(c.owner)},
			EirServerImplId: c.impl}
		if got := serverName4(us); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// No answer to a COMPOUND makes decoding it, or reading its results, panic.
func FuzzCompound(f *testing.F) {
	all := exchanges4(f)
	for i, e := range all {
		f.Add(uint(i), e.answer)
		for _, results := range capturedResults(f, "4.*") {
			f.Add(uint(i), results)
		}
	}
	f.Fuzz(func(t *testing.T, i uint, answer []byte) {
		e := all[i%uint(len(all))]
		results, err := decoded4(t, e.ops, answer)
		if len(results) > 0 && results[0].GetResop() == nfsv4.OP_SEQUENCE {
			(&session4{}).advance(results[0])
		}
		if i%uint(len(all)) == 3 { // the COMPOUND with GETATTR and ACCESS
			found := object4{tail: results[min(len(results), 2):], err: err}
			handle, herr := found.handle()
			if herr == nil && (len(handle) == 0 || len(handle) > nfsv4.NFS4_FHSIZE) {
				t.Errorf("handle of %d bytes", len(handle))
			}
			for _, look := range []func() (string, error){found.directory, found.access} {
				if learnt, err := look(); err == nil && learnt == "" {
					t.Error("learnt nothing")
				}
			}
		}
		if len(results) == 1 {
			if x, ok := results[0].(*nfsv4.NfsResop4_OP_EXCHANGE_ID); ok {
				if name := serverName4(x.OpexchangeId.(*nfsv4.ExchangeId4res_NFS4_OK).
					EirResok4); len(name) > 60 {
					t.Errorf("name %q", name)
				}
			}
		}
	})
}
