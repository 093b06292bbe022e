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
func command(p Place, name string, args ...string) Command {
	return Command{Place: p, Name: name, Args: args, Timeout: time.Minute}
}

// Each command of the place API: what is asked of the system, and the outcome.
var apiCommands = []struct {
	command Command
	told    string
	code    int
	output  string
}{
	{command(API, "write-test", "E"), "write E", 0, ""},
	{command(API, "snmp-trap", "NODE1", "6", "160", "Split Brain", "E:"),
		"trap {Node:NODE1 Generic:6 Specific:160 Strings:[Split Brain E:]}", 0, ""},
	{command(API, "addresses"), "addresses", 0, nicGUID + " 198.51.100.7 Context=42\n"},
	{command(API, "cable", nicGUID), "cable " + nicGUID, 0, "7\n"},
	{command(API, "arp", "198.51.100.7"), "answers 198.51.100.7", 1, ""},
	{command(API, "arp", "198.51.100.9"), "answers 198.51.100.9", 0, ""},
}

// Only commands of the place API are done natively. What the system cannot do
// counts as not installed. A question that fails has no answer; a write test or
// trap that fails has failed.
func TestWithNative(t *testing.T) {
	for _, c := range apiCommands {
		do := func(ctx context.Context, fail error) (Result, []string) {
			n := &fakeNative{fail: fail}
			return WithNative(nil, n).Run(ctx, c.command), n.told
		}
		if res, told := do(t.Context(), nil); res.Err != nil || res.Code != c.code ||
			res.Output != c.output || strings.Join(told, ";") != c.told {
			t.Errorf("%s: %+v, told %q", c.command, res, told)
		}
		if res, _ := do(t.Context(), errors.ErrUnsupported); !errors.Is(res.Err, fs.ErrNotExist) {
			t.Errorf("%s, unsupported: %+v", c.command, res)
		}
		res, _ := do(t.Context(), errors.New("no luck"))
		change := c.command.Name == "write-test" || c.command.Name == "snmp-trap"
		if (res.Err == nil) != change || change && (res.Code != 1 || res.Output != "no luck") {
			t.Errorf("%s, failing: %+v", c.command, res)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if res, _ := do(ctx, context.Canceled); !errors.Is(res.Err, context.Canceled) {
			t.Errorf("%s, cancelled: %+v", c.command, res)
		}
	}
	n := &fakeNative{}
	if res := WithNative(nil, n).Run(t.Context(), command(API, "snmp-trap", "NODE1", "six",
		"160")); res.Err == nil || n.told != nil {
		t.Errorf("%+v, told %q", res, n.told)
	}
	missing := runnerFunc(func(context.Context, Command) Result { return notThere[0] })
	if res := WithNative(missing, n).Run(t.Context(), command(LKBin, "CheckVolume.exe",
		"E:")); !errors.Is(res.Err, fs.ErrNotExist) || n.told != nil {
		t.Errorf("CheckVolume: %+v, told %q", res, n.told)
	}
}

// Plan and report name what really runs: ours only if it was asked for, and
// never what changes an address or an alias.
func TestNativeIsAskedFor(t *testing.T) {
	for native, want := range map[bool][]string{
		false: {`%LKBIN%\CheckVolume.exe E:`, `%LKROOT%\Admin\kit\Ipapp\bin\ips_ipchange.exe -l`},
		true:  {"kitrunner itself: write-test E", "kitrunner itself: addresses"},
	} {
		e := &Engine{Native: native}
		checks, _ := e.Plan(&volume, volume.Action("deepCheck"), resources["volume"])
		remove, _ := e.Plan(&ip, ip.Action("remove"), resources["ip"])
		for _, w := range append(want, `%LKROOT%\Admin\kit\Ipapp\bin\ips_ipchange.exe -d `) {
			if !strings.Contains(checks+remove, "> "+w) {
				t.Errorf("native %v: no %s in\n%s%s", native, w, checks, remove)
			}
		}
	}
}
