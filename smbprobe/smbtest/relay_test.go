package smbtest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRelayUnharmed(t *testing.T) {
	s := Samba(t, Config{})
	var commands []uint16 // of the final replies
	addr := Relay(t, s.Addr(), func(f *Frame) Behaviour {
		if f.FromServer && f.Answers(f.Command) {
			commands = append(commands, f.Command)
		}
		return nil
	})
	local := filepath.Join(t.TempDir(), "file")
	want := bytes.Repeat([]byte("fsmon "), 200_000)
	if err := os.WriteFile(local, want, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"", "root%pw"} { // unsigned, signed
		if out, err := Client(t, addr, "share", user, "-c", "put "+local+" copy"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		copied := filepath.Join(s.Dir, "shares", "share", "copy")
		if got, err := os.ReadFile(copied); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes of %d arrived, %v", len(got), len(want), err)
		}
		os.Remove(copied)
	}
	i := slices.Index(commands, TreeConnect)
	if i < 2 || commands[i-2] != Negotiate || commands[i-1] != SessionSetup {
		t.Errorf("commands seen: %v", commands)
	}
}

func TestRelayFilters(t *testing.T) {
	s := Samba(t, Config{})
	for name, c := range map[string]struct {
		filter Filter
		want   string // of smbclient; "" for success
	}{
		"challenge refused":     {OnReply(Challenge, SetStatus(0xc000009a)), "NT_STATUS_INSUFFICIENT_RESOURCES"},
		"session setup refused": {OnReply(SessionSetup, SetStatus(0xc0000193)), "NT_STATUS_ACCOUNT_EXPIRED"},
		"tree connect refused":  {OnReply(TreeConnect, SetStatus(0xc00000d0)), "NT_STATUS_REQUEST_NOT_ACCEPTED"},
		"tree connect reset":    {OnReply(TreeConnect, Midway(Reset)), "NT_STATUS_CONNECTION_DISCONNECTED"},
		"tree connect closed":   {OnReply(TreeConnect, Midway(Close)), "NT_STATUS_CONNECTION_DISCONNECTED"},
		"tree connect cut":      {OnReply(TreeConnect, Truncate(70)), "NT_STATUS_CONNECTION_DISCONNECTED"},
		"tree disconnect":       {OnReply(TreeDisconnect, SetStatus(0xc00000c9)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			used := 0
			addr := Relay(t, s.Addr(), func(f *Frame) Behaviour {
				before := bytes.Clone(f.Bytes)
				end := c.filter(f)
				if !bytes.Equal(before, f.Bytes) {
					used++
				}
				return end
			})
			out, err := Client(t, addr, "share", "")
			if (err == nil) != (c.want == "") || !strings.Contains(out, c.want) {
				t.Errorf("want %q, got %v\n%s", c.want, err, out)
			}
			if used == 0 {
				t.Error("no frame changed")
			}
		})
	}
}

func TestRelayShareType(t *testing.T) {
	s := Samba(t, Config{})
	// The relay behind sees what the relay in front delivers.
	var got byte
	changed := Relay(t, s.Addr(), OnReply(TreeConnect, SetShareType(9)))
	addr := Relay(t, changed, OnReply(TreeConnect, func(f *Frame) Behaviour {
		got = f.Bytes[4+64+2]
		return nil
	}))
	if Client(t, addr, "share", ""); got != 9 {
		t.Errorf("share type %d, want 9", got)
	}
}

func TestRelayHold(t *testing.T) {
	s := Samba(t, Config{})
	silentFor(t, dial(t, Relay(t, s.Addr(), OnReply(Negotiate, Hold))), 200*time.Millisecond)
	c := dial(t, Relay(t, s.Addr(), OnReply(Negotiate, Midway(Silent))))
	half, err := readFrame(io.LimitReader(c, 80))
	if len(half) != 80 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read %d bytes, %v, want a part of the frame", len(half), err)
	}
}

func TestRelayPassesTheEndOn(t *testing.T) {
	part := Cut(30, Status(0xc0000022))
	for name, c := range map[string]struct {
		upstream Behaviour
		ends     error
	}{
		"FIN in a frame": {Script(Close, part), nil},
		"RST in a frame": {Script(Reset, part), syscall.ECONNRESET},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := io.ReadAll(dial(t, Relay(t, Hostile(t, c.upstream), nil)))
			if want := part(Frame{}); !bytes.Equal(got, want) || !errors.Is(err, c.ends) {
				t.Errorf("got %q, %v, want %q, %v", got, err, want, c.ends)
			}
		})
	}
	s := Samba(t, Config{})
	addr := Relay(t, s.Addr(), nil)
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	isReset(t, addr) // no server behind the relay
}
