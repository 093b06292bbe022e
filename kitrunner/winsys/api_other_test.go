//go:build !windows

package winsys

import (
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

// Not for Windows, because this test could not run there: Wine 8 does not know
// an option that Go sets on every UDP socket.
func TestTrapArrivesByteForByte(t *testing.T) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	n := &API{conn.LocalAddr().String(), "public", func() time.Duration {
		return 745650 * time.Millisecond
	}}
	if err := n.Trap(t.Context(), splitBrainTrap); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(execLimit))
	buf := make([]byte, 1500)
	size, _, err := conn.ReadFrom(buf)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(buf[:size]); got != splitBrainPacket {
		t.Errorf("got  %s\nwant %s", got, splitBrainPacket)
	}
}

func TestNativeIsOfWindows(t *testing.T) {
	n, ctx, a := NewAPI("", ""), t.Context(), netip.MustParseAddr("10.0.0.5")
	_, cable := n.Cable(ctx, "{}")
	_, answers := n.Answers(ctx, a)
	_, addresses := n.Addresses(ctx)
	for i, err := range []error{
		cable, answers, addresses, n.WriteTest(ctx, "E"),
	} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%d: %v", i, err)
		}
	}
}
