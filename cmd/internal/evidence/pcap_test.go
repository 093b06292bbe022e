package evidence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fsmon/cmd/internal/watch"
)

// packetSeen is one packet of a capture file, as another reader finds it.
type packetSeen struct {
	at       time.Time
	from, to netip.AddrPort
	seq, ack uint32
	flags    byte
	data     []byte
}

// readPCAP reads a capture file. It fails the test unless every length and
// checksum in it is correct.
func readPCAP(t *testing.T, file []byte) []packetSeen {
	t.Helper()
	le, be := binary.LittleEndian, binary.BigEndian
	if len(file) < 24 || le.Uint32(file) != 0xa1b23c4d || le.Uint16(file[4:]) != 2 ||
		le.Uint16(file[6:]) != 4 || le.Uint32(file[20:]) != 101 {
		t.Fatalf("not a capture file of raw packets: % x", file[:min(24, len(file))])
	}
	// folded adds up 16-bit words. Data with a correct checksum adds up to
	// 0xffff.
	folded := func(parts ...[]byte) uint32 {
		var sum uint32
		for _, b := range parts {
			if len(b)%2 == 1 {
				b = append(bytes.Clone(b), 0)
			}
			for ; len(b) > 0; b = b[2:] {
				sum += uint32(be.Uint16(b))
				sum = sum&0xffff + sum>>16
			}
		}
		return sum
	}
	var packets []packetSeen
	for b := file[24:]; len(b) > 0; {
		captured, long := le.Uint32(b[8:]), le.Uint32(b[12:])
		if captured != long || int(captured) > len(b)-16 || captured > le.Uint32(file[16:]) {
			t.Fatalf("a packet of %d bytes, %d captured, %d left", long, captured, len(b)-16)
		}
		at, p := time.Unix(int64(le.Uint32(b)), int64(le.Uint32(b[4:]))), b[16:16+captured]
		b = b[16+captured:]

		var src, dst, tcp []byte
		switch p[0] >> 4 {
		case 4:
			if int(be.Uint16(p[2:])) != len(p) || p[9] != 6 || folded(p[:20]) != 0xffff {
				t.Errorf("IPv4 header % x of a packet of %d bytes", p[:20], len(p))
			}
			src, dst, tcp = p[12:16], p[16:20], p[20:]
		case 6:
			if int(be.Uint16(p[4:])) != len(p)-40 || p[6] != 6 {
				t.Errorf("IPv6 header % x of a packet of %d bytes", p[:40], len(p))
			}
			src, dst, tcp = p[8:24], p[24:40], p[40:]
		default:
			t.Fatalf("IP version %d", p[0]>>4)
		}
		if folded(src, dst, []byte{0, 6}, be.AppendUint16(nil, uint16(len(tcp))), tcp) != 0xffff {
			t.Errorf("TCP checksum of % x", tcp[:20])
		}
		addr := func(b []byte, port uint16) netip.AddrPort {
			a, _ := netip.AddrFromSlice(b)
			return netip.AddrPortFrom(a, port)
		}
		packets = append(packets, packetSeen{
			at: at, from: addr(src, be.Uint16(tcp)), to: addr(dst, be.Uint16(tcp[2:])),
			seq: be.Uint32(tcp[4:]), ack: be.Uint32(tcp[8:]), flags: tcp[13],
			data: tcp[tcp[12]>>4*4:],
		})
	}
	return packets
}

// reassemble puts the streams together as a receiver would. It fails the test
// if they have a gap, or if an acknowledgement is not for what was sent before.
func reassemble(t *testing.T, packets []packetSeen) map[string]string {
	t.Helper()
	next, got := map[stream]uint32{}, map[string]string{}
	for i, p := range packets {
		dir, back := stream{p.from, p.to}, stream{p.to, p.from}
		if p.flags&tcpSyn != 0 {
			next[dir] = p.seq
		}
		if p.seq != next[dir] {
			t.Errorf("packet %d: sequence number %d, want %d", i, p.seq, next[dir])
		}
		if p.flags&tcpAck != 0 && p.ack != next[back] {
			t.Errorf("packet %d acknowledges %d, sent were %d", i, p.ack, next[back])
		}
		next[dir] += uint32(len(p.data))
		if p.flags&tcpSyn != 0 {
			next[dir]++
		}
		if len(p.data) > 0 {
			got[fmt.Sprintf("%v>%v", p.from, p.to)] += string(p.data)
		}
	}
	return got
}

func TestPCAP(t *testing.T) {
	began := time.Unix(testMoment, 123456789)
	// 75000 bytes are more than a packet can hold.
	long := string(bytes.Repeat([]byte("0123456789abcde"), 5000))
	var wire []watch.Segment
	add := func(from, to, data string) {
		began = began.Add(time.Millisecond)
		wire = append(wire, watch.Segment{At: began, From: netip.MustParseAddrPort(from),
			To: netip.MustParseAddrPort(to), Data: []byte(data)})
	}
	const c4, s4, c6, s6 = "192.0.2.1:40000", "192.0.2.2:445", "[2001:db8::1]:700",
		"[2001:db8::2]:2049"
	add(c4, s4, "negotiate")
	add(s4, c4, "answer")
	add(c6, s6, "mount") // a second connection begins before the first goes on
	add(c4, s4, long)
	add(s6, c6, "")
	add("[::ffff:192.0.2.2]:445", c4, " and more") // as a socket of both kinds has it
	add(s6, c6, "fh")
	add("[fe80::1%eth0]:1", "[fe80::2%eth0]:2", "zone")
	add(c4, s6, "nonsense")
	wire = append(wire, watch.Segment{Data: []byte("nobody")})

	var file bytes.Buffer
	if err := writePCAP(&file, wire); err != nil {
		t.Fatal(err)
	}
	packets := readPCAP(t, file.Bytes())
	if d := cmp.Diff(map[string]string{
		c4 + ">" + s4: "negotiate" + long, s4 + ">" + c4: "answer and more", c6 + ">" + s6: "mount",
		s6 + ">" + c6:             "fh",
		"[fe80::1]:1>[fe80::2]:2": "zone",
	}, reassemble(t, packets)); d != "" {
		t.Errorf("streams (-want +got):\n%s", d)
	}
	if first := packets[3]; string(first.data) != "negotiate" ||
		!first.at.Equal(time.Unix(testMoment, 124456789)) {
		t.Errorf("the first payload is %q at %v", first.data, first.at)
	}
	syns := 0
	for _, p := range packets {
		if p.flags == tcpSyn {
			syns++
		}
		if p.flags&^(tcpSyn|tcpAck|tcpPsh) != 0 {
			t.Errorf("flags %#x were made up", p.flags)
		}
	}
	if syns != 3 {
		t.Errorf("%d connections, want 3", syns)
	}
}

// No transcript makes an empty capture. A huge one is cut. A full disk is an
// error.
func TestPCAPLimits(t *testing.T) {
	reader, broken := io.Pipe()
	reader.Close()
	var file bytes.Buffer
	if err := writePCAP(&file, nil); err != nil || len(readPCAP(t, file.Bytes())) != 0 {
		t.Errorf("empty: %v", err)
	}
	giant := []watch.Segment{{From: netip.MustParseAddrPort("192.0.2.1:1"),
		To: netip.MustParseAddrPort("192.0.2.2:2"), Data: make([]byte, 16<<20)}}
	if err := writePCAP(&file, giant); err != nil || file.Len() > 5<<20 {
		t.Errorf("%d bytes, %v", file.Len(), err)
	}
	if err := writePCAP(broken, nil); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a broken writer: %v", err)
	}
}
