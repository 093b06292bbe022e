package nfsprobe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
)

// setWord changes one word of the results, counted from 0.
func setWord(n int, to uint32) nfstest.Answer {
	return nfstest.Message(func(m []byte) []byte {
		binary.BigEndian.PutUint32(m[24+4*n:], to)
		return m
	})
}

// All that can go wrong with any call goes wrong with these. The file is
// removed, or a warning says that it may stay.
func TestFilesSpoilt3(t *testing.T) {
	cases := slices.Concat(
		everywhere(nfstest.Lookup3, Marker, true), everywhere(nfstest.Read3, Marker, true),
		everywhere(nfstest.Create3, WriteTest, true), everywhere(nfstest.Write3, WriteTest, true),
		everywhere(nfstest.Remove3, WriteTest, true),
	)
	for _, proc := range []nfstest.Proc{nfstest.Lookup3, nfstest.Read3} {
		cases = append(cases, spoilt{"cut", proc, nfstest.Truncated(24 + 6), Marker,
			&MalformedError{"EOF"}, true})
	}
	for _, proc := range []nfstest.Proc{nfstest.Create3, nfstest.Write3, nfstest.Remove3} {
		cases = append(cases, spoilt{"cut", proc, nfstest.Truncated(24 + 6), WriteTest,
			&MalformedError{"EOF"}, true})
	}
	cases = append(cases, []spoilt{
		{"LOOKUP without a handle", nfstest.Lookup3, nfstest.Results(words{0, 0, 0, 0}), Marker,
			&MalformedError{"empty file handle"}, true},
		{"LOOKUP with a handle of 65 bytes", nfstest.Lookup3, setWord(1, 65), Marker,
			&MalformedError{"65 bytes"}, true},
		{"READ of 4097 bytes", nfstest.Read3,
			nfstest.Results(raw(slices.Concat(xdr(0, 0, 4097, 1),
				opaque(strings.Repeat("x",
					4097))))), Marker, &MalformedError{"4097 bytes, where 4096"}, true},
		{"READ of 4 GB", nfstest.Read3, nfstest.Results(words{0, 0, 5, 1, 0xffffffff}), Marker,
			&MalformedError{"EOF"}, true},
		{"CREATE with an empty handle", nfstest.Create3, nfstest.Results(words{0, 1, 0, 0, 0, 0}),
			WriteTest, &MalformedError{"empty file handle"}, true},
		{"WRITE of 63 bytes", nfstest.Write3, setWord(3, 63), WriteTest,
			&MalformedError{"WRITE took 63 of 64 bytes"}, true},
		{"WRITE of 65 bytes", nfstest.Write3, setWord(3, 65), WriteTest,
			&MalformedError{"WRITE took 65 of 64 bytes"}, true},
		{"an unknown stable_how", nfstest.Write3, setWord(4, 3), WriteTest, nil, true},
	}...)
	for _, c := range cases {
		t.Run(fmt.Sprintf("%d %s", c.proc.Procedure, c.name), func(t *testing.T) {
			t.Parallel()
			h, config := hostileFiles(t, "3")
			h.On(c.proc, c.answer)
			r, err := probe(t, config)
			if c.cause != nil {
				fails(t, err, c.step, c.cause)
			}
			disconnected(t, h)
			if h.Count(nfstest.Umnt) != 1 {
				t.Error("no UMNT")
			}
			stays := len(h.Files()) > 1
			warned := len(r.Warnings) == 1 && strings.Contains(r.Warnings[0], ".fsmon-") &&
				strings.Contains(r.Warnings[0], "may stay")
			if stays && !warned || len(r.Warnings) > 1 {
				t.Errorf("files %q, warnings %q", h.Files(), r.Warnings)
			}
		})
	}
}

type raw []byte

func (r raw) WriteTo(w io.Writer) (int64, error) { return bytes.NewReader(r).WriteTo(w) }

// If the server has not written the data to its disk yet, COMMIT follows.
func TestCommit(t *testing.T) {
	unstable := func(h *nfstest.Hostile, version string, verifier byte) {
		edit := func(m []byte, committed, verf int) []byte {
			binary.BigEndian.PutUint32(m[committed:], 0)
			m[verf] = verifier
			return m
		}
		h.On(nfstest.Write3, nfstest.Message(func(m []byte) []byte {
			return edit(m, 24+16, 24+20)
		}))
		if version != "3" {
			h.EditOp(nfsv4.OP_WRITE, func(result []byte) []byte { return edit(result, 12, 16) })
		}
	}
	for _, version := range versions {
		h, c := hostileFiles(t, version)
		unstable(h, version, 0)
		p := New(c)
		r, err := probeWith(t, p)
		if err != nil || learnt(r, WriteTest) != writeLearnt(r) {
			t.Errorf("%s: %v", version, err)
		}
		if version == "3" && h.Count(nfstest.Commit3) != 1 {
			t.Error("no COMMIT")
		}
		unstable(h, version, 9)
		_, err = probeWith(t, p)
		if failed := new(Error); !errors.As(err, &failed) || failed.Step != WriteTest ||
			!strings.Contains(err.Error(), "COMMIT: the server has restarted") {
			t.Errorf("%s: %v", version, err)
		}
		if version == "3" {
			h.On(nfstest.Commit3, nfstest.FileStatus(nfsv3.NFS3ERR_IO))
			_, err = probe(t, c)
			fails(t, err, WriteTest, Status3(nfsv3.NFS3ERR_IO))
			h.On(nfstest.Commit3, nfstest.Truncated(30))
			_, err = probe(t, c)
			fails(t, err, WriteTest, &MalformedError{"EOF"})
		}
		nothingLeft(t, h, min(1, strings.Count(version, "4.0")))
	}
}

// The server returns other bytes than were written, or fewer.
func TestReadBack(t *testing.T) {
	for _, version := range versions {
		for _, change := range []int{0, 4} { // change a byte of the data; change its length
			h, c := hostileFiles(t, version)
			c.Marker = ""
			edit := func(m []byte, length int) []byte {
				if change == 0 {
					m[length+10]++
				} else {
					binary.BigEndian.PutUint32(m[length:], 60)
				}
				return m
			}
			h.On(nfstest.Read3, nfstest.Message(func(m []byte) []byte { return edit(m, 24+16) }))
			if version != "3" {
				h.EditOp(nfsv4.OP_READ, func(result []byte) []byte {
					return edit(result, 12)[:len(result)-change]
				})
			}
			_, err := probe(t, c)
			fails(t, err, WriteTest, ErrReadBack)
			nothingLeft(t, h, min(1, strings.Count(version, "4.0")))
		}
	}
}

// A file is removed even if the answer to its creation was of no use.
func TestMadeInVain(t *testing.T) {
	h, config := hostileFiles(t, "4.0")
	h.FailOp(-1, nfsv4.OP_OPEN_CONFIRM, nfsv4.NFS4ERR_SERVERFAULT)
	_, err := probe(t, config)
	fails(t, err, WriteTest, &Status4{"OPEN_CONFIRM", uint32(nfsv4.NFS4ERR_SERVERFAULT)})
	nothingLeft(t, h, 1)

	h, config = hostileFiles(t, "3")
	config.Marker = ""
	h.On(nfstest.Create3, nfstest.Message(func(m []byte) []byte {
		return append(m[:24:24], xdr(0, 0, 0, 0, 0)...)
	}))
	h.On(nfstest.Lookup3, nfstest.FileStatus(nfsv3.NFS3ERR_IO))
	_, err = probe(t, config)
	fails(t, err, WriteTest, Status3(nfsv3.NFS3ERR_IO))
	nothingLeft(t, h, 0)
}

// The answer to CREATE may have no handle.
func TestCreateWithoutHandle(t *testing.T) {
	h, c := hostileFiles(t, "3")
	h.On(nfstest.Create3, nfstest.Message(func(m []byte) []byte {
		return append(m[:24:24], xdr(0, 0, 0, 0, 0)...)
	}))
	if r, err := probe(t, c); err != nil || learnt(r, WriteTest) != writeLearnt(r) {
		t.Errorf("%v", err)
	}
	nothingLeft(t, h, 0)
}

// Answers of version 4 that are malformed.
func TestFilesMalformed4(t *testing.T) {
	for _, c := range []struct {
		name string
		op   nfsv4.NfsOpnum4
		step Step
		edit func(result []byte) []byte
		want string
		left int // files that stay
	}{
		{"READ of 4097 bytes", nfsv4.OP_READ, Marker, func([]byte) []byte {
			return slices.Concat(xdr(25, 0, 1), opaque(strings.Repeat("x", 4097)))
		}, "4097 bytes, where 4096", 0},
		{"WRITE of 63 bytes", nfsv4.OP_WRITE, WriteTest, func(result []byte) []byte {
			result[11]--
			return result
		}, "WRITE took 63 of 64 bytes", 0},
		{"WRITE cut", nfsv4.OP_WRITE, WriteTest, func(result []byte) []byte { return result[:14] },
			"EOF", 0},
		{"OPEN with unknown delegation", nfsv4.OP_OPEN, WriteTest, func(result []byte) []byte {
			result[len(result)-1] = 99
			return result
		}, "unknown value 99", 0},
		{"CLOSE cut", nfsv4.OP_CLOSE, WriteTest, func(result []byte) []byte { return result[:14] },
			"EOF", 0},
		{"REMOVE cut", nfsv4.OP_REMOVE, WriteTest,
			func(result []byte) []byte { return result[:14] }, "EOF", 0},
		{"SETCLIENTID cut", nfsv4.OP_SETCLIENTID, WriteTest,
			func(result []byte) []byte { return result[:14] }, "EOF", 0},
		{"OPEN_CONFIRM cut", nfsv4.OP_OPEN_CONFIRM, WriteTest,
			func(result []byte) []byte { return result[:14] }, "EOF", 0},
	} {
		for _, version := range versions[1:] {
			if version != "4.0" && (c.op == nfsv4.OP_SETCLIENTID || c.op == nfsv4.OP_OPEN_CONFIRM) {
				continue
			}
			h, config := hostileFiles(t, version)
			h.EditOp(c.op, c.edit)
			_, err := probe(t, config)
			fails(t, err, c.step, &MalformedError{c.want})
			disconnected(t, h)
			if files := h.Files(); len(files) != 1+c.left {
				t.Errorf("%s, %s: files %q", version, c.name, files)
			}
			if opens, _ := h.Opens(); opens != 0 && c.op != nfsv4.OP_OPEN {
				t.Errorf("%s, %s: %d opens", version, c.name, opens)
			}
		}
	}
}

// If only the server's disk hangs, the probe ends at its deadline and names the
// operation. When the disk is back, the next probe removes what is left.
func TestDiskHangs(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			h, c := hostileFiles(t, version)
			deadline := newExpiring()
			hang := func(conn net.Conn, call nfstest.Call, healthy func() []byte) bool {
				deadline.expire()
				return nfstest.Hang(conn, call, healthy)
			}
			h.On(nfstest.Write3, hang)
			if version != "3" {
				h.On(nfstest.Compound, func(conn net.Conn, call nfstest.Call,
					healthy func() []byte) bool {
					var args nfsv4.Compound4args
					args.ReadFrom(bytes.NewReader(call.Args))
					for _, op := range args.Argarray {
						if op.GetArgop() == nfsv4.OP_WRITE {
							return hang(conn, call, healthy)
						}
					}
					return nfstest.Healthy(conn, call, healthy)
				})
			}
			p := New(c)
			r, err := probeIn(t, deadline, p)
			fails(t, err, WriteTest, context.DeadlineExceeded)
			if err == nil || !strings.HasPrefix(err.Error(), "write test: WRITE: no answer") ||
				!strings.Contains(strings.Join(r.Warnings, " "), "may stay until the next probe") {
				t.Errorf("%v, warnings %q", err, r.Warnings)
			}
			disconnected(t, h)
			if len(h.Files()) != 2 {
				t.Errorf("files %q", h.Files())
			}
			h.On(nfstest.Write3, nfstest.Healthy)
			h.On(nfstest.Compound, nfstest.Healthy)
			if _, err := probeWith(t, p); err != nil {
				t.Error(err)
			}
			disconnected(t, h)
			if len(h.Files()) != 1 {
				t.Errorf("files %q", h.Files())
			}
		})
	}
}

// An answer may pad with other bytes than zeros, also in the verifier.
func TestPadding(t *testing.T) {
	for _, version := range []string{"3", "4.0", "4.2"} {
		h, c := hostileFiles(t, version)
		h.Put("MOUNTED", "thirteen byte")
		h.On(nfstest.Mnt, func(conn net.Conn, call nfstest.Call, healthy func() []byte) bool {
			m := slices.Concat(xdr(call.XID, 1, 0, 2, 5), []byte("verif\xff\xff\xff"),
				healthy()[20:])
			at := bytes.Index(m, []byte("handle")) + len("handle")
			copy(m[at:at+2], "\xff\xff")
			_, err := conn.Write(nfstest.Record(m))
			return err == nil
		})
		pad := func(m []byte) []byte {
			if at := bytes.Index(m, []byte("thirteen byte")); at >= 0 {
				copy(m[at+13:], "\xff\xff\xff")
			}
			return m
		}
		h.On(nfstest.Read3, nfstest.Message(pad))
		if version != "3" {
			h.EditOp(nfsv4.OP_READ, pad)
		}
		r, err := probe(t, c)
		if err != nil || learnt(r, Marker) != "read 13 bytes of MOUNTED" {
			t.Errorf("%s: %v, rungs %v", version, err, r.Rungs)
		}
	}
}
