package nfstest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/nlm"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
	"github.com/buildbarn/go-xdr/pkg/runtime"
)

// healthy returns the reply message of a healthy server.
func (h *Hostile) healthy(call Call) []byte {
	switch call.Proc {
	case GSSInit:
		return h.gss.begun(&call)
	case GSSDestroy:
		return success(call.XID, nil)
	}
	supported := map[uint32][2]uint32{portmapProgram: {2, 4}, mountProgram: {3, 3},
		nfsProgram: {3, 4}, lockProgram: {4, 4}, statusProgram: {1, 1}}[call.Program]
	if call.Version < supported[0] || call.Version > supported[1] {
		return reply(call.XID, progMismatch(supported[0], supported[1]), nil)
	}
	if call.Procedure == 0 {
		return success(call.XID, nil)
	}
	switch call.Proc {
	case Getport:
		return success(call.XID, encode(words{uint32(h.registered(call.Args))}))
	case Getaddr, Proc{portmapProgram, 3, 3}:
		address := ""
		if port := h.registered(call.Args); port != 0 {
			address = UniversalAddress(h.Address, port)
		}
		return success(call.XID, encode(text(address)))
	case Mnt:
		return success(call.XID,
			encode(mounted(handle, int32(rpcv2.AUTH_SYS), int32(rpcv2.AUTH_NONE))))
	case Umnt:
		return success(call.XID, nil)
	case Access3:
		return success(call.XID,
			encode(&nfsv3.Access3res_NFS3_OK{
				Resok: nfsv3.Access3resok{ObjAttributes: &nfsv3.PostOpAttr_FALSE{},
					Access: nfsv3.ACCESS3_READ | nfsv3.ACCESS3_LOOKUP},
			}))
	case Compound:
		return success(call.XID, h.compound(call.Args))
	case TestLock:
		return success(call.XID, tested(call.Args, nlm.NLM4_GRANTED))
	}
	if results := h.onFiles(call); results != nil {
		return success(call.XID, encode(results))
	}
	return reply(call.XID, &rpcv2.AcceptedReplyData_default{Stat: rpcv2.PROC_UNAVAIL}, nil)
}

// handle is the file handle of every directory.
var handle = []byte("nfstest's only file handle")

// registered returns the port of the program and version in the arguments of
// GETPORT or GETADDR; 0: none.
func (h *Hostile) registered(args []byte) int {
	if len(args) < 8 {
		return 0
	}
	switch program, version := binary.BigEndian.Uint32(args), binary.BigEndian.Uint32(args[4:]); {
	case program == portmapProgram && version >= 2 && version <= 4:
		return h.PortmapPort
	case program == mountProgram && version == 3:
		return h.MountPort
	case program == lockProgram && version == 4, program == statusProgram && version == 1:
		return h.MountPort
	case program == nfsProgram && (version == 3 || version == 4):
		return h.NFSPort
	}
	return 0
}

// UniversalAddress returns an address and port in rpcbind's form (RFC 5665
// 5.2.3).
func UniversalAddress(address string, port int) string {
	return fmt.Sprintf("%s.%d.%d", net.ParseIP(address), port>>8, port&0xff)
}

// Tested answers TestLock with this status.
func Tested(stat nlm.Nlm4Stats) Answer {
	return sending(func(call Call, _ func() []byte) []byte {
		return success(call.XID, tested(call.Args, stat))
	})
}

func tested(args []byte, stat nlm.Nlm4Stats) []byte {
	var asked nlm.Nlm4Testargs
	asked.ReadFrom(bytes.NewReader(args)) // what cannot be decoded is zero
	var answer nlm.Nlm4Testrply = &nlm.Nlm4Testrply_default{Stat: stat}
	if stat == nlm.NLM4_DENIED {
		answer = &nlm.Nlm4Testrply_NLM4_DENIED{}
	}
	return encode(&nlm.Nlm4Testres{Cookie: asked.Cookie, TestStat: answer})
}

// Unregistered answers GETPORT as a port mapper that does not know this
// program.
func Unregistered(program uint32) Answer {
	return func(c net.Conn, call Call, healthy func() []byte) bool {
		if len(call.Args) >= 4 && binary.BigEndian.Uint32(call.Args) == program {
			return Port(0)(c, call, healthy)
		}
		return Healthy(c, call, healthy)
	}
}

// Port answers GETPORT; 0 means not registered.
func Port(port uint32) Answer { return Results(words{port}) }

// Uaddr answers GETADDR; empty means not registered.
func Uaddr(address string) Answer { return Results(text(address)) }

// Mounted answers MNT with a file handle of up to 64 bytes and a list of
// flavors.
func Mounted(handle []byte, flavors ...int32) Answer { return Results(mounted(handle, flavors...)) }

// MountStatus answers MNT with an error.
func MountStatus(s mount.Mountstat3) Answer {
	return Results(&mount.Mountres3_default{FhsStatus: s})
}

// Attributes answers GETATTR with an object of this type.
func Attributes(kind nfsv3.Ftype3) Answer { return Results(attributes3(kind, 0)) }

// GetattrStatus answers GETATTR with an error.
func GetattrStatus(s nfsv3.Nfsstat3) Answer {
	return Results(&nfsv3.Getattr3res_default{Status: s})
}

// AccessStatus answers ACCESS with an error.
func AccessStatus(s nfsv3.Nfsstat3) Answer {
	return Results(&nfsv3.Access3res_default{Status: s,
		Resfail: nfsv3.Access3resfail{ObjAttributes: &nfsv3.PostOpAttr_FALSE{}}})
}

func mounted(handle []byte, flavors ...int32) io.WriterTo {
	return &mount.Mountres3_MNT3_OK{Mountinfo: mount.Mountres3Ok{Fhandle: handle,
		AuthFlavors: flavors}}
}

func attributes3(kind nfsv3.Ftype3, disk uint32) io.WriterTo {
	return &nfsv3.Getattr3res_NFS3_OK{
		Resok: nfsv3.Getattr3resok{ObjAttributes: nfsv3.Fattr3{Type: kind, Mode: 0o755, Nlink: 2,
			Size: 4096, Fsid: uint64(disk), Fileid: 2}},
	}
}

// words are unsigned integers in XDR.
type words []uint32

func (w words) WriteTo(out io.Writer) (int64, error) {
	return int64(4 * len(w)), binary.Write(out, binary.BigEndian, []uint32(w))
}

// text is a string in XDR.
type text string

func (s text) WriteTo(out io.Writer) (int64, error) {
	return runtime.WriteVariableLengthOpaque(out, uint32(len(s)), []byte(s))
}

// raw is encoded already.
type raw []byte

func (r raw) WriteTo(out io.Writer) (int64, error) { return bytes.NewReader(r).WriteTo(out) }
