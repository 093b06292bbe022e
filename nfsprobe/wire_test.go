package nfsprobe

import (
	"bytes"
	"net/netip"
	"testing"
	"time"
)

// The transcript is what went over all connections, in order.
func TestWire(t *testing.T) {
	h, c := hostile(t)
	r, err := probe(t, c)
	if err != nil {
		t.Fatal(err)
	}
	last := time.Time{}
	got := map[uint16][]byte{}
	for _, s := range r.Wire {
		if s.At.Before(last) || s.From.Addr() != netip.MustParseAddr("127.0.0.1") ||
			s.From == s.To {
			t.Errorf("segment at %v from %v to %v", s.At, s.From, s.To)
		}
		last = s.At
		got[s.To.Port()] = append(got[s.To.Port()], s.Data...)
	}
	for _, call := range h.Calls() {
		port := map[uint32]int{100000: h.PortmapPort, 100005: h.MountPort,
			100003: h.NFSPort}[call.Program]
		if !bytes.Contains(got[uint16(port)], xdr(call.XID, 0, 2, call.Program, call.Version,
			call.Procedure)) {
			t.Errorf("no call of %+v", call.Proc)
		}
		if !bytes.Contains(got[call.From.Port()], xdr(call.XID, 1)) {
			t.Errorf("no answer to %+v", call.Proc)
		}
	}
	w := new(transcript)
	for range 5 {
		w.note(netip.AddrPort{}, netip.AddrPort{}, make([]byte, maxWire/4+1))
	}
	if len(w.data) != maxWire || len(w.segments) != 4 {
		t.Errorf("%d bytes in %d segments", len(w.data), len(w.segments))
	}
	w = new(transcript)
	for range maxSegments + 1 { // a server that sends byte by byte
		w.note(netip.AddrPort{}, netip.AddrPort{}, []byte{1})
	}
	if len(w.segments) != maxSegments {
		t.Errorf("%d segments", len(w.segments))
	}
}
