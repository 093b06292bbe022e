package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe/nfstest"
	"fsmon/smbprobe/kerberostest"
)

// What a real server sends is spoilt on its way, or does not come.
func TestKerberosOnTheWire(t *testing.T) {
	t.Parallel()
	r := newRealm(t, kerberostest.Config{})
	const context = 1 // the reply to INIT, after that to NULL
	flip := func(at int) func(p *nfstest.Passing) {
		return func(p *nfstest.Passing) { p.Bytes[len(p.Bytes)+at] ^= 1 }
	}
	drop := func(p *nfstest.Passing) { p.Bytes = nil }
	for name, c := range map[string]struct {
		version, sec string
		reply        int // index; of version 3 GETATTR (2) and ACCESS (3), in whatever order
		spoil        func(p *nfstest.Passing)
		step, cause  string
	}{
		"checksum, 3":   {"3", "krb5i", 2, flip(-8), "getattr", "wrong checksum of a reply"},
		"checksum, 4.1": {"4.1", "krb5i", 4, flip(-8), "lookup", "wrong checksum of a reply"},
		"seal, 3":       {"3", "krb5p", 2, flip(-8), "getattr", "wrong seal of a reply"},
		"seal, 4.0":     {"4.0", "krb5p", 2, flip(-8), "lookup", "wrong seal of a reply"},
		"verifier": {"4.0", "krb5", 2, func(p *nfstest.Passing) { p.Bytes[4+20+20] ^= 1 },
			"lookup", "wrong verifier of a reply"},
		"token":       {"4.0", "krb5", context, flip(-8), "security context", "wrong token of a reply"},
		"replayed":    {"4.1", "krb5p", 3, nil, "create session", "wrong verifier of a reply"},
		"no context":  {"4.1", "krb5p", context, drop, "security context", "ETIMEDOUT"},
		"no answer":   {"3", "krb5i", 3, drop, "access", "ETIMEDOUT"},
		"no farewell": {"4.0", "krb5i", 3, drop, "destroy context", "ETIMEDOUT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			before := map[int][]byte{} // the last reply of a connection
			port := r.relay(t, func(p *nfstest.Passing) nfstest.End {
				mu.Lock()
				defer mu.Unlock()
				if !p.FromServer {
					return nil
				}
				reply := slices.Clone(p.Bytes)
				switch {
				case c.version == "3" && c.reply == 2 && !p.Answers(nfstest.Getattr3),
					c.version == "3" && c.reply == 3 && !p.Answers(nfstest.Access3),
					c.version != "3" && p.Index != c.reply:
				case c.spoil != nil:
					c.spoil(p)
				default:
					p.Bytes = slices.Clone(before[p.Conn])
					binary.BigEndian.PutUint32(p.Bytes[4:], p.XID)
				}
				before[p.Conn] = reply
				return nil
			})
			deadlines := []int{30}
			if c.cause == "ETIMEDOUT" { // on a busy machine it may not come that far in time
				deadlines = []int{3, 12, 48}
			}
			for i, deadline := range deadlines {
				began := time.Now()
				p := newLab(t, r.Lab).Check(r.options("any", c.version, c.sec, "-n", port,
					"-r", strconv.Itoa(deadline))...)
				p.Exits(1)
				took, said := time.Since(began), cmdtest.Flat(p.Output())
				there := strings.Contains(said, "failed at "+c.step+": "+c.cause) &&
					strings.Contains(said, "Class server: ")
				if there && c.cause == "ETIMEDOUT" && took < time.Duration(deadline)*time.Second*4/5 {
					t.Errorf("it had %v of %d s", took, deadline)
				}
				if there {
					break
				}
				if i == len(deadlines)-1 {
					t.Error(p.Output())
				}
			}
		})
	}
}

// The evidence of a verdict holds the packets without what logs in.
func TestKerberosEvidence(t *testing.T) {
	t.Parallel()
	r := newRealm(t, kerberostest.Config{})
	l := newLab(t, r.Lab)
	dir := t.TempDir()
	port := r.relay(t, func(p *nfstest.Passing) nfstest.End {
		if p.FromServer && p.Index == 4 { // behind NULL, INIT, EXCHANGE_ID and CREATE_SESSION
			p.Bytes[len(p.Bytes)-8] ^= 1
		}
		return nil
	})
	w := l.Watch(r.options("krb5i", "4.1", "krb5i", "-n", port, "-i", "1", "-c", "1", "-r", "30",
		"--evidence-dir", dir)...)
	w.Exits(1)
	if verdict := w.Last(cmdtest.RPCFailed); verdict.Text != "clp_nfsmon: RPC: Can't decode result" ||
		!strings.HasPrefix(verdict.Detail, "lookup: the checksum of the reply is wrong: ") {
		t.Errorf("%+v", verdict)
	}
	captures, _ := filepath.Glob(filepath.Join(dir, "*", "*", "*.pcap"))
	if len(captures) != 1 {
		t.Fatal(captures)
	}
	packets, err := os.ReadFile(captures[0])
	must(t, err)
	for what, there := range map[string]bool{
		"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02": false, // begins every token of a login
		"\x04\x04\x00\xff\xff\xff\xff\xff":     false, // every checksum of the watch
		"\x04\x04\x01\xff\xff\xff\xff\xff":     false, // every checksum of the server
		"\x04\x04\x05\xff\xff\xff\xff\xff":     false,
		"\x00\x00\x00\x05krb5i\x00":            true, // the name that was looked up
	} {
		if strings.Contains(string(packets), what) != there {
			t.Errorf("%q in the packets: %v", what, !there)
		}
	}
	l.Hides("secret", w)
}
