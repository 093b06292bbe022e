package evidence

import (
	"encoding/binary"
	"io"
	"net/netip"
	"time"

	"fsmon/cmd/internal/watch"
)

// A transcript is what one socket sent and received, without packet headers.
// Headers are made up, so that Wireshark can follow the streams: IP and TCP
// with correct lengths, checksums and sequence numbers, and a handshake, since
// there was a connection. No FIN or RST is made up: who closed is not known,
// and a stalled connection must not look closed.

const (
	pcapMagic   = 0xa1b23c4d // nanoseconds (draft-ietf-opsawg-pcap, section 4)
	linkTypeRaw = 101        // IPv4 or IPv6 follows (www.tcpdump.org/linktypes.html)
	snapLen     = 262144
	pieceLen    = 16 << 10 // bytes of payload in one packet; IPv4 has room for 65495
	pcapCap     = 4 << 20  // bytes of payload in one file

	tcpSyn, tcpPsh, tcpAck = 0x02, 0x08, 0x10 // RFC 9293, section 3.1
)

// stream is one direction of a connection.
type stream struct{ from, to netip.AddrPort }

// pcapWriter writes one file.
type pcapWriter struct {
	w    io.Writer
	err  error
	next map[stream]uint32 // the sequence number to come
	id   uint16            // of IPv4 packets
}

// writePCAP writes the segments as a capture file. It leaves out segments
// between an IPv4 and an IPv6 address, and what is beyond 4 MiB.
func writePCAP(w io.Writer, wire []watch.Segment) error {
	p := pcapWriter{w: w, next: map[stream]uint32{}}
	head := binary.LittleEndian.AppendUint32(nil, pcapMagic)
	head = binary.LittleEndian.AppendUint16(head, 2) // version 2.4
	head = binary.LittleEndian.AppendUint16(head, 4)
	head = binary.LittleEndian.AppendUint64(head, 0) // time zone, accuracy: reserved
	head = binary.LittleEndian.AppendUint32(head, snapLen)
	head = binary.LittleEndian.AppendUint32(head, linkTypeRaw)
	p.write(head)
	room := pcapCap
	for _, s := range wire {
		dir := stream{plain(s.From), plain(s.To)}
		if !dir.from.IsValid() || !dir.to.IsValid() ||
			dir.from.Addr().Is4() != dir.to.Addr().Is4() {
			continue
		}
		if _, known := p.next[dir]; !known {
			p.handshake(s.At, dir)
		}
		for data := s.Data; len(data) > 0 && room > 0; {
			piece := data[:min(len(data), pieceLen, room)]
			p.packet(s.At, dir, tcpPsh|tcpAck, piece)
			data, room = data[len(piece):], room-len(piece)
		}
	}
	return p.err
}

// plain returns the address as packets have it.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// handshake writes that of RFC 9293, section 3.5. The client is who sends
// first, in SMB as in RPC.
func (p *pcapWriter) handshake(at time.Time, client stream) {
	server := stream{client.to, client.from}
	p.next[client], p.next[server] = 0, 0
	p.packet(at, client, tcpSyn, nil)
	p.packet(at, server, tcpSyn|tcpAck, nil)
	p.packet(at, client, tcpAck, nil)
}

func (p *pcapWriter) packet(at time.Time, dir stream, flags byte, data []byte) {
	seq := p.next[dir]
	p.next[dir] += uint32(len(data))
	if flags&tcpSyn != 0 {
		p.next[dir]++
	}
	var ack uint32
	if flags&tcpAck != 0 {
		ack = p.next[stream{dir.to, dir.from}]
	}
	tcp := binary.BigEndian.AppendUint16(nil, dir.from.Port())
	tcp = binary.BigEndian.AppendUint16(tcp, dir.to.Port())
	tcp = binary.BigEndian.AppendUint32(tcp, seq)
	tcp = binary.BigEndian.AppendUint32(tcp, ack)
	tcp = append(tcp, 5<<4, flags, 0xff, 0xff) // header of 20 bytes; a window of 65535
	tcp = append(tcp, 0, 0, 0, 0)              // checksum, urgent pointer
	tcp = append(tcp, data...)
	binary.BigEndian.PutUint16(tcp[16:], tcpChecksum(dir, tcp))

	packet := append(p.ipHeader(dir, len(tcp)), tcp...)
	record := binary.LittleEndian.AppendUint32(nil, uint32(at.Unix()))
	record = binary.LittleEndian.AppendUint32(record, uint32(at.Nanosecond()))
	record = binary.LittleEndian.AppendUint32(record, uint32(len(packet)))
	record = binary.LittleEndian.AppendUint32(record, uint32(len(packet)))
	p.write(append(record, packet...))
}

const protoTCP, hopLimit = 6, 64

// ipHeader is that of RFC 791, section 3.1, or RFC 8200, section 3.
func (p *pcapWriter) ipHeader(dir stream, payload int) []byte {
	if dir.from.Addr().Is6() {
		h := []byte{6 << 4, 0, 0, 0}
		h = binary.BigEndian.AppendUint16(h, uint16(payload))
		h = append(h, protoTCP, hopLimit)
		return append(append(h, dir.from.Addr().AsSlice()...), dir.to.Addr().AsSlice()...)
	}
	p.id++
	const length, dontFragment = 20, 0x4000
	h := []byte{4<<4 | length/4, 0}
	h = binary.BigEndian.AppendUint16(h, uint16(length+payload))
	h = binary.BigEndian.AppendUint16(h, p.id)
	h = binary.BigEndian.AppendUint16(h, dontFragment)
	h = append(h, hopLimit, protoTCP, 0, 0)
	h = append(append(h, dir.from.Addr().AsSlice()...), dir.to.Addr().AsSlice()...)
	binary.BigEndian.PutUint16(h[10:], checksum(h))
	return h
}

// tcpChecksum includes the pseudo header. Its IPv6 form (RFC 8200, section 8.1)
// adds up like the IPv4 form (RFC 9293, section 3.1).
func tcpChecksum(dir stream, tcp []byte) uint16 {
	pseudo := append(dir.from.Addr().AsSlice(), dir.to.Addr().AsSlice()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(tcp)))
	pseudo = binary.BigEndian.AppendUint32(pseudo, protoTCP)
	return checksum(append(pseudo, tcp...))
}

// checksum is that of RFC 1071.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func (p *pcapWriter) write(b []byte) {
	if p.err == nil {
		_, p.err = p.w.Write(b)
	}
}
