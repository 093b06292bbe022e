package nfsprobe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
)

// deadline4 passes in fake time.
const deadline4 = 10 * time.Second

// speak probes in a synctest bubble, where waiting takes no time and a
// goroutine that is left behind fails the test. It asserts what is true for
// every probe.
func (f *fake4) speak(t *testing.T, version, path string) (r Report, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- f.serve(far) }()
		a := &attempt{Config: Config{Path4: path, Version: version}, wire: new(transcript)}
		ctx, cancel := context.WithTimeout(context.Background(), deadline4)
		defer cancel()
		err = a.climb4(ctx, &r, newClient(near, authSys(0, 0)))
		near.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	var failed *Error
	if err != nil && (!errors.As(err, &failed) || failed.Version == "") {
		t.Errorf("failed with %T %v, want an *Error with a version", err, err)
	}
	if !slices.IsSortedFunc(r.Rungs, func(a, b Rung) int { return int(a.Step - b.Step) }) {
		t.Errorf("rungs not in wire order: %v", r.Rungs)
	}
	if last := r.Rungs[len(r.Rungs)-1].Step; failed != nil && last != failed.Step {
		t.Errorf("failed at %v, but the last rung is %v", failed.Step, last)
	}
	return r, err
}

func learnt4(r Report) string {
	var all []string
	for _, rung := range r.Rungs {
		all = append(all, fmt.Sprintf("%v=%s", rung.Step, rung.Learnt))
	}
	return strings.Join(all, " ")
}

const (
	walked4  = " PUTROOTFH LOOKUP(export) GETFH GETATTR ACCESS"
	learned4 = " lookup=/export getattr=directory access=may lookup, modify, extend, delete"
)

func inSession4(version string) []string {
	return []string{version + " EXCHANGE_ID", version + " CREATE_SESSION", version +
		" SEQUENCE(1)" + walked4, version + " DESTROY_SESSION", version + " DESTROY_CLIENTID"}
}

func TestVersions4(t *testing.T) {
	const session = " create session=1 slot" + learned4 + " destroy session= destroy client id="
	for _, c := range []struct {
		asked  string
		minors []uint32
		agreed string
		said   []string
		learnt string
	}{
		{"4.0", []uint32{0, 1, 2}, "4.0", []string{"4.0" + walked4}, "null=" + learned4},
		{"4.1", []uint32{0, 1, 2}, "4.1", inSession4("4.1"), "null= exchange id=fake.example" +
			session},
		{"4.2", []uint32{2}, "4.2", inSession4("4.2"), "null= exchange id=fake.example" + session},
		{"4", []uint32{0, 1, 2}, "4.2", inSession4("4.2"), "null= exchange id=fake.example" +
			session},
		{"4", []uint32{0, 1}, "4.1", append([]string{"4.2 EXCHANGE_ID"}, inSession4("4.1")...),
			"null= exchange id=fake.example" + session},
		{"4", []uint32{0}, "4.0", []string{"4.2 EXCHANGE_ID", "4.1 EXCHANGE_ID", "4.0" + walked4},
			"null= exchange id=no version 4.1" + learned4},
	} {
		f := newFake4()
		f.minors = c.minors
		r, err := f.speak(t, c.asked, "/export")
		if err != nil || r.Version != c.agreed || len(r.Warnings) != 0 || f.left() != 0 {
			t.Errorf("%s: version %q, warnings %q, error %v, %d left", c.asked, r.Version,
				r.Warnings, err, f.left())
		}
		if !slices.Equal(f.asked, c.said) {
			t.Errorf("%s: asked %q, want %q", c.asked, f.asked, c.said)
		}
		if got := learnt4(r); got != c.learnt {
			t.Errorf("%s: learnt %q, want %q", c.asked, got, c.learnt)
		}
		if f.null == nil || f.null.Vers != 4 || f.null.Cred.Flavor != 0 {
			t.Errorf("%s: NULL was %+v", c.asked, f.null)
		}
	}
}

func TestMinorMismatch4(t *testing.T) {
	mismatch := &Status4{"COMPOUND", uint32(nfsv4.NFS4ERR_MINOR_VERS_MISMATCH)}
	for _, c := range []struct {
		asked  string
		minors []uint32
		step   Step
		said   int
	}{
		{"4.0", []uint32{1, 2}, Lookup, 1},
		{"4.1", []uint32{0, 2}, ExchangeID, 1},
		{"4.2", []uint32{0, 1}, ExchangeID, 1},
		{"4", nil, Lookup, 3},
	} {
		f := newFake4()
		f.minors = c.minors
		r, err := f.speak(t, c.asked, "/export")
		fails(t, err, c.step, mismatch)
		if r.Version != "" || len(f.asked) != c.said {
			t.Errorf("%s: version %q, asked %q", c.asked, r.Version, f.asked)
		}
	}
	// When a version is agreed on, no other is tried.
	f := newFake4()
	f.answer = refuse4("SEQUENCE", nfsv4.NFS4ERR_MINOR_VERS_MISMATCH, -1)
	_, err := f.speak(t, "4", "/export")
	fails(t, err, Lookup, &Status4{"SEQUENCE", uint32(nfsv4.NFS4ERR_MINOR_VERS_MISMATCH)})
	if f.left() != 0 || len(f.asked) != 5 {
		t.Errorf("asked %q, %d left", f.asked, f.left())
	}
}

// refuse4 makes an operation fail with a status, so many times; -1: always.
func refuse4(name string, status nfsv4.Nfsstat4, times int) func(nfsv4.NfsArgop4) nfsv4.NfsResop4 {
	return func(op nfsv4.NfsArgop4) nfsv4.NfsResop4 {
		if opName(op.GetArgop()) != name || times == 0 {
			return nil
		}
		times--
		return failed4(op, status)
	}
}

var ops4 = []struct {
	name string
	step Step
}{
	{"EXCHANGE_ID", ExchangeID}, {"CREATE_SESSION", CreateSession}, {"SEQUENCE", Lookup},
	{"PUTROOTFH", Lookup}, {"LOOKUP", Lookup},
	{"GETFH", Lookup}, {"GETATTR", Getattr}, {"ACCESS", Access},
	{"DESTROY_SESSION", DestroySession}, {"DESTROY_CLIENTID", DestroyClientID},
}

// When an operation fails, its step is named and what was made before it is
// destroyed.
func TestRefused4(t *testing.T) {
	for _, status := range []nfsv4.Nfsstat4{nfsv4.NFS4ERR_NOENT, nfsv4.NFS4ERR_STALE,
		nfsv4.NFS4ERR_MOVED, nfsv4.NFS4ERR_BADSESSION, nfsv4.NFS4ERR_WRONGSEC, 99999} {
		for _, op := range ops4 {
			f := newFake4()
			times, step := 1, op.step
			if status == nfsv4.NFS4ERR_WRONGSEC { // the probe goes and asks again
				times, step = -1, min(op.step, Lookup)
			}
			f.answer = refuse4(op.name, status, times)
			r, err := f.speak(t, "4.1", "/export")
			want := &Status4{op.name, uint32(status)}
			switch {
			case op.step == DestroySession || op.step == DestroyClientID:
				if err != nil || len(r.Warnings) == 0 || !strings.Contains(r.Warnings[0],
					want.Error()) {
					t.Errorf("%v: error %v, warnings %q", want, err, r.Warnings)
				}
				continue
			default:
				fails(t, err, step, want)
			}
			if wants := errors.Is(err, ErrKerberos); wants != (status == nfsv4.NFS4ERR_WRONGSEC) {
				t.Errorf("%v: Kerberos %t", err, wants)
			}
			if f.left() != 0 || r.Version != "4.1" || len(r.Warnings) != 0 {
				t.Errorf("%v: %d left, version %q, warnings %q", want, f.left(),
					r.Version, r.Warnings)
			}
		}
	}
}

// A busy or recovering server is asked again. The request is the same, but if
// an operation after SEQUENCE failed it has the next sequence id.
func TestBusy4(t *testing.T) {
	for _, status := range []nfsv4.Nfsstat4{nfsv4.NFS4ERR_DELAY, nfsv4.NFS4ERR_GRACE} {
		for _, op := range ops4 {
			f := newFake4()
			f.answer = refuse4(op.name, status, 5)
			r, err := f.speak(t, "4.2", "/export")
			if err != nil || len(r.Warnings) != 0 || f.left() != 0 {
				t.Errorf("%s: error %v, warnings %q, %d left", op.name, err, r.Warnings, f.left())
			}
			at := map[Step]int{ExchangeID: 0, CreateSession: 1, DestroySession: 3,
				DestroyClientID: 4}
			n, ok := at[op.step]
			if !ok {
				n = 2
			}
			want := inSession4("4.2")
			for k := range 5 {
				again := want[n]
				if op.name != "SEQUENCE" {
					again = strings.Replace(again, "(1)", fmt.Sprintf("(%d)", k+2), 1)
				}
				want = slices.Insert(want, n+k+1, again)
			}
			if !slices.Equal(f.asked, want) {
				t.Errorf("%s: asked %q, want %q", op.name, f.asked, want)
			}
		}
		f := newFake4()
		f.answer = refuse4("LOOKUP", status, 5)
		if _, err := f.speak(t, "4.0", "/export"); err != nil || len(f.asked) != 6 {
			t.Errorf("%v after %q", err, f.asked)
		}
	}
}

// If the server is busy for too long, the probe fails with that status, and has
// time to destroy what it made.
func TestBusyTooLong4(t *testing.T) {
	for _, op := range ops4 {
		f := newFake4()
		f.answer = refuse4(op.name, nfsv4.NFS4ERR_DELAY, -1)
		r, err := f.speak(t, "4.1", "/export")
		want := &Status4{op.name, uint32(nfsv4.NFS4ERR_DELAY)}
		var took time.Duration
		for _, rung := range r.Rungs {
			took += rung.Took
		}
		if n := len(f.asked); n < 10 || n > 30 || took < deadline4-firstWait || took > deadline4 {
			t.Errorf("%s: asked %d times in %v", op.name, n, took)
		}
		if op.step == DestroySession || op.step == DestroyClientID {
			if err != nil || len(r.Warnings) == 0 {
				t.Errorf("%s: error %v, warnings %q", op.name, err, r.Warnings)
			}
			continue
		}
		fails(t, err, op.step, want)
		if f.left() != 0 {
			t.Errorf("%s: %d left", op.name, f.left())
		}
	}
}

// A step that is not answered fails. So does one whose connection is closed,
// except at the end.
func TestSilence4(t *testing.T) {
	steps := []Step{ExchangeID, CreateSession, Lookup, DestroySession, DestroyClientID}
	for n, step := range steps {
		for _, silent := range []bool{true, false} {
			f := newFake4()
			f.edit = func(i int, reply []byte) []byte {
				switch {
				case i < n:
					return reply
				case silent:
					return nil
				}
				return []byte{}
			}
			r, err := f.speak(t, "4.1", "/export")
			switch {
			case silent:
				fails(t, err, step, context.DeadlineExceeded)
			case n >= 3:
				if err != nil || len(r.Warnings) == 0 || !strings.HasPrefix(r.Warnings[0],
					"the server closed the connection instead of answering "+step.String()) {
					t.Errorf("%v: error %v, warnings %q", step, err, r.Warnings)
				}
				continue
			default:
				fails(t, err, step, broken("read", io.EOF))
			}
			// The server has made a client id, and the probe knows of it.
			if warned := len(r.Warnings) == 1 && strings.Contains(r.Warnings[0],
				"client id"); warned != (n > 0 && n < 4) {
				t.Errorf("%v: warnings %q", step, r.Warnings)
			}
		}
	}
}

// After a denied call the connection is still in use, so what was made is
// destroyed.
func TestDenied4(t *testing.T) {
	for _, op := range ops4 {
		f := newFake4()
		f.deny = op.name
		r, err := f.speak(t, "4.2", "/export")
		if op.step == DestroySession || op.step == DestroyClientID {
			if err != nil || len(r.Warnings) != 1 || !strings.HasPrefix(r.Warnings[0],
				op.step.String()+" was refused: Authentication error") {
				t.Errorf("%s: error %v, warnings %q", op.name, err, r.Warnings)
			}
			continue
		}
		step := min(op.step, Lookup) // from LOOKUP on it is one call
		fails(t, err, step, ErrKerberos)
		fails(t, err, step, &RPCError{Stat: "AUTH_ERROR", Auth: "AUTH_TOOWEAK"})
		// This server has done the denied call, but the probe does not know the
		// client id or session that it made.
		if left := f.left(); step == Lookup && left > 0 {
			t.Errorf("%s: %d left", op.name, left)
		}
	}
}

// A probe ends at once if it is cancelled while the server is busy.
func TestCancelledWhileBusy4(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		f := newFake4()
		f.answer = refuse4("LOOKUP", nfsv4.NFS4ERR_DELAY, -1)
		go f.serve(far)
		ctx, cancel := context.WithCancel(context.Background())
		a := &attempt{Config: Config{Path4: "/export", Version: "4.0"}, wire: new(transcript)}
		time.AfterFunc(time.Minute+time.Millisecond, cancel)
		began := time.Now()
		err := a.climb4(ctx, new(Report), newClient(near, authSys(0, 0)))
		fails(t, err, Lookup, context.Canceled)
		if took := time.Since(began); took != time.Minute+time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

// Two probes never have the same client owner.
func TestOwners4(t *testing.T) {
	f := newFake4()
	for range 10 {
		f.speak(t, "4.1", "/")
	}
	slices.Sort(f.owners)
	if n := len(slices.Compact(f.owners)); n != 10 {
		t.Errorf("%d owners: %q", n, f.owners)
	}
	if o := f.owners[0]; !strings.HasPrefix(o, "fsmon ") || len(o) > nfsv4.NFS4_OPAQUE_LIMIT {
		t.Errorf("owner %q", o)
	}
}

// A probe with a real connection.
func TestProbe4(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f := newFake4()
	ended := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			err = f.serve(conn)
		}
		ended <- err
	}()
	port := l.Addr().(*net.TCPAddr).Port
	r, err := probe(t, Config{Address: "127.0.0.1", Dir: "/export", Port: port, Version: "4"})
	if err != nil || r.Version != "4.2" || r.NFSPort != port || r.Rungs[0].Step != Connect ||
		r.Address != l.Addr().String() {
		t.Errorf("%v, report %+v", err, r)
	}
	// serve ends when the probe has closed its connection.
	if err := <-ended; err != nil || f.left() != 0 {
		t.Errorf("%v, %d left", err, f.left())
	}
}
