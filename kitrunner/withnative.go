package kitrunner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"fsmon/kitrunner/parse"
	"fsmon/kitrunner/winsys"
)

// WithNative returns a Runner that replaces the documented helper commands by
// native: those that are not installed, or, with always, all of them. Outputs
// and exit codes are the helpers', so that a kit sees no difference. All other
// commands go to r. What native does not support counts as not installed.
func WithNative(r Runner, native Native, always bool) Runner {
	return &nativeRunner{r, native, always}
}

type nativeRunner struct {
	commands Runner
	native   Native
	always   bool
}

// IsNative tells whether WithNative can do without the command.
func IsNative(c Command) bool { return helperOf(c) != nil }

func (n *nativeRunner) Run(ctx context.Context, c Command) Result {
	help := helperOf(c)
	if help == nil || c.Place != API && !n.always {
		res := n.commands.Run(ctx, c)
		if help == nil || !errors.Is(res.Err, fs.ErrNotExist) {
			return res
		}
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	output, err := help(ctx, n.native, c.Args)
	res := Result{Output: output, Took: time.Since(began)}
	var code nativeExit
	switch {
	case errors.As(err, &code):
		res.Code = int(code)
	case errors.Is(err, errors.ErrUnsupported):
		res.Err = fmt.Errorf("%w (%w)", err, fs.ErrNotExist)
	case err != nil && (ctx.Err() != nil || c.asks()):
		res.Err = err
	case err != nil:
		res.Code, res.Output = 1, err.Error()
	}
	return res
}

// nativeExit is the exit code of a helper whose answer is no.
type nativeExit int

func (e nativeExit) Error() string { return "exit code " + strconv.Itoa(int(e)) }

// asks tells whether a helper's command changes nothing. If it fails there is
// no answer.
func (c Command) asks() bool { return c.Place == API || slices.Contains(c.Args, "-l") }

// helper does what a command with these arguments does.
type helper func(ctx context.Context, n Native, args []string) (output string, err error)

func helperOf(c Command) helper {
	switch {
	case c.Place == API && c.Name == "cable" && len(c.Args) == 1:
		return nativeCable
	case c.Place == API && c.Name == "arp" && len(c.Args) == 1:
		return nativeARP
	case c.Place == LKBin && c.Name == "CheckVolume.exe" && len(c.Args) == 1:
		return func(ctx context.Context, n Native, args []string) (string, error) {
			return "", n.WriteTest(ctx, strings.TrimSuffix(args[0], ":"))
		}
	case c.Place == LKBin && c.Name == "EISMEventNotice.exe" && len(c.Args) >= 3:
		return nativeTrap
	case c.Place == LKBin && c.Name == "LmServerNameAdd.exe" && len(c.Args) == 1:
		return func(ctx context.Context, n Native, args []string) (string, error) {
			return "", n.AddAlias(ctx, args[0])
		}
	case c.Place == LKBin && c.Name == "LmServerNameDel.exe" && len(c.Args) == 1:
		return func(ctx context.Context, n Native, args []string) (string, error) {
			return "", n.DeleteAlias(ctx, args[0])
		}
	case c.Place == LKRoot && c.Name == ipchange && len(c.Args) >= 1:
		return nativeIP
	}
	return nil
}

// nativeCable prints what readCable reads.
func nativeCable(ctx context.Context, n Native, args []string) (string, error) {
	state, err := n.Cable(ctx, parse.CanonicalGUID(args[0]))
	return map[winsys.Cable]string{
		winsys.CableUnknown: "", winsys.CableConnected: "2\n", winsys.CableDisconnected: "7\n",
	}[state], err
}

// nativeARP exits with 0 when another host answers, and with 1 when none does.
func nativeARP(ctx context.Context, n Native, args []string) (string, error) {
	address, err := netip.ParseAddr(args[0])
	if err != nil {
		return "", err
	}
	answers, err := n.Answers(ctx, address)
	if err == nil && !answers {
		err = nativeExit(1)
	}
	return "", err
}

func nativeTrap(ctx context.Context, n Native, args []string) (string, error) {
	t := winsys.Trap{Node: args[0]}
	var err1, err2 error
	t.Generic, err1 = strconv.Atoi(args[1])
	t.Specific, err2 = strconv.Atoi(args[2])
	if err := errors.Join(err1, err2); err != nil {
		return "", err
	}
	for _, a := range args[3:] {
		t.Strings = append(t.Strings, strings.TrimPrefix(a, "s:"))
	}
	return "", n.Trap(ctx, t)
}

// nativeIP is ips_ipchange -l, -a and -d.
func nativeIP(ctx context.Context, n Native, args []string) (string, error) {
	value := func(option string) string {
		for _, a := range args[1:] {
			if v, found := strings.CutPrefix(a, option); found {
				return v
			}
		}
		return ""
	}
	switch args[0] {
	case "-l":
		addresses, err := n.Addresses(ctx)
		var b strings.Builder
		for _, a := range addresses {
			fmt.Fprintf(&b, "%s %s", parse.CanonicalGUID(a.GUID), a.IP)
			if a.Context != 0 {
				fmt.Fprintf(&b, " Context=%d", a.Context)
			}
			b.WriteByte('\n')
		}
		return b.String(), err
	case "-a":
		address, err1 := netip.ParseAddr(value("-i"))
		mask, err2 := netip.ParseAddr(value("-m"))
		if err := errors.Join(err1, err2); err != nil {
			return "", err
		}
		return "", n.AddAddress(ctx, parse.CanonicalGUID(value("-n")), address, mask)
	case "-d":
		number, err := strconv.ParseUint(value("-c"), 0, 32)
		if err != nil {
			return "", fmt.Errorf(
				"an address without a context cannot be removed natively: %w", err)
		}
		return "", n.DeleteAddress(ctx, uint32(number))
	}
	return "", fmt.Errorf("ips_ipchange %s: %w", args[0], errors.ErrUnsupported)
}
