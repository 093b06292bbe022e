package kitrunner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fsmon/kitrunner/winsys"
)

// fakeNative is a Native that records what it is told; fail fails everything.
type fakeNative struct {
	told []string
	fail error
}

func (n *fakeNative) tell(format string, args ...any) error {
	n.told = append(n.told, fmt.Sprintf(format, args...))
	return n.fail
}

func (n *fakeNative) WriteTest(_ context.Context, volume string) error {
	return n.tell("write %s", volume)
}
func (n *fakeNative) Trap(_ context.Context, t winsys.Trap) error { return n.tell("trap %+v", t) }
func (n *fakeNative) Cable(_ context.Context, guid string) (winsys.Cable, error) {
	return winsys.CableDisconnected, n.tell("cable %s", guid)
}
func (n *fakeNative) Answers(_ context.Context, a netip.Addr) (bool, error) {
	return a.String() == "198.51.100.9", n.tell("answers %v", a)
}
func (n *fakeNative) Addresses(context.Context) ([]winsys.Address, error) {
	return []winsys.Address{{GUID: strings.ToLower(nicGUID),
		IP: netip.MustParseAddr("198.51.100.7"), Context: 42}}, n.tell("addresses")
}
func (n *fakeNative) AddAddress(_ context.Context, guid string, address, mask netip.Addr) error {
	return n.tell("add %s %v %v", guid, address, mask)
}
func (n *fakeNative) DeleteAddress(_ context.Context, context uint32) error {
	return n.tell("delete %d", context)
}
func (n *fakeNative) AddAlias(_ context.Context, name string) error {
	return n.tell("alias %s", name)
}
func (n *fakeNative) DeleteAlias(_ context.Context, name string) error {
	return n.tell("no alias %s", name)
}

func command(p Place, name string, args ...string) Command {
	return Command{Place: p, Name: name, Args: args, Timeout: time.Minute}
}

// Each helper command and what stands for it.
var helpers = []struct {
	command Command
	told    string
	code    int
	output  string
}{
	{command(LKBin, "CheckVolume.exe", "E:"), "write E", 0, ""},
	{command(LKBin, "EISMEventNotice.exe", "NODE1", "6", "160", "s:Split Brain", "s:E:"),
		"trap {Node:NODE1 Generic:6 Specific:160 Strings:[Split Brain E:]}", 0, ""},
	{command(LKBin, "LmServerNameAdd.exe", "SRV"), "alias SRV", 0, ""},
	{command(LKBin, "LmServerNameDel.exe", "SRV"), "no alias SRV", 0, ""},
	{command(LKRoot, ipchange, "-l"), "addresses", 0, nicGUID + " 198.51.100.7 Context=42\n"},
	{command(LKRoot, ipchange, "-a", "-n"+nicGUID, "-i198.51.100.7", "-m255.255.255.0"),
		"add " + nicGUID + " 198.51.100.7 255.255.255.0", 0, ""},
	{command(LKRoot, ipchange, "-d", "-c42"), "delete 42", 0, ""},
	{command(API, "cable", nicGUID), "cable " + nicGUID, 0, "7\n"},
	{command(API, "arp", "198.51.100.7"), "answers 198.51.100.7", 1, ""},
	{command(API, "arp", "198.51.100.9"), "answers 198.51.100.9", 0, ""},
}

// commandsWith answers every command with a result, and counts.
func commandsWith(res Result, ran *int) Runner {
	return runnerFunc(func(context.Context, Command) Result { *ran++; return res })
}

func TestNativeAlways(t *testing.T) {
	for _, h := range helpers {
		ran := 0
		n := &fakeNative{}
		res := WithNative(commandsWith(Result{Code: 9}, &ran), n, true).Run(t.Context(), h.command)
		if res.Err != nil || res.Code != h.code || res.Output != h.output || ran != 0 ||
			strings.Join(n.told, ";") != h.told {
			t.Errorf("%s: %+v, told %q, %d commands", h.command, res, n.told, ran)
		}
	}
}

// Without always only a helper that is not installed is replaced.
func TestNativeWhenMissing(t *testing.T) {
	for _, h := range helpers {
		if h.command.Place == API {
			continue
		}
		ran := 0
		n := &fakeNative{}
		if res := WithNative(commandsWith(Result{Code: 9}, &ran), n, false).Run(t.Context(),
			h.command); res.Code != 9 || n.told != nil {
			t.Errorf("%s, installed: %+v, told %q", h.command, res, n.told)
		}
		if res := WithNative(commandsWith(timedOut[0], &ran), n, false).Run(t.Context(),
			h.command); !errors.Is(res.Err, context.DeadlineExceeded) || n.told != nil {
			t.Errorf("%s, hanging: %+v, told %q", h.command, res, n.told)
		}
		if res := WithNative(commandsWith(notThere[0], &ran), n, false).Run(t.Context(),
			h.command); res.Err != nil || len(n.told) != 1 {
			t.Errorf("%s, missing: %+v, told %q", h.command, res, n.told)
		}
	}
	ran := 0
	other := command(System32, "nbtstat.exe", "-n")
	if res := WithNative(commandsWith(notThere[0], &ran), &fakeNative{}, true).Run(t.Context(),
		other); !errors.Is(res.Err, fs.ErrNotExist) || ran != 1 {
		t.Errorf("nbtstat: %+v", res)
	}
}

// If the system cannot do something it counts as not installed. A question that
// fails has no answer; a change that fails has failed.
func TestNativeFails(t *testing.T) {
	for _, h := range helpers {
		ran := 0
		res := WithNative(commandsWith(notThere[0], &ran), &fakeNative{fail: errors.ErrUnsupported},
			true).Run(t.Context(), h.command)
		if !errors.Is(res.Err, fs.ErrNotExist) {
			t.Errorf("%s, unsupported: %+v", h.command, res)
		}
		res = WithNative(commandsWith(notThere[0], &ran), &fakeNative{fail: errors.New("no luck")},
			true).Run(t.Context(), h.command)
		question := h.command.Place == API || h.told == "addresses"
		if (res.Err != nil) != question || !question && (res.Code != 1 || res.Output != "no luck") {
			t.Errorf("%s, failing: %+v", h.command, res)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		res = WithNative(commandsWith(notThere[0], &ran), &fakeNative{fail: context.Canceled},
			true).Run(ctx, h.command)
		if !errors.Is(res.Err, context.Canceled) {
			t.Errorf("%s, cancelled: %+v", h.command, res)
		}
	}
	for _, c := range []Command{
		command(LKRoot, ipchange, "-d", "-c"+nicGUID),
		command(LKRoot, ipchange, "-a", "-n"+nicGUID, "-iX", "-mY"),
		command(LKBin, "EISMEventNotice.exe", "NODE1", "six", "160"),
	} {
		ran, n := 0, &fakeNative{}
		if res := WithNative(commandsWith(fine[0], &ran), n, true).Run(t.Context(),
			c); res.Code != 1 || res.Err != nil || n.told != nil {
			t.Errorf("%s: %+v, told %q", c, res, n.told)
		}
	}
}
