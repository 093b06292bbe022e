package kitrunner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"fsmon/kitrunner/parse"
	"fsmon/kitrunner/winsys"
)

// WithNative returns a Runner that does commands of the place API with native.
// All others go to r. What native does not support counts as not installed.
func WithNative(r Runner, native Native) Runner { return nativeRunner{r, native} }

type nativeRunner struct {
	commands Runner
	native   Native
}

func (n nativeRunner) Run(ctx context.Context, c Command) (res Result) {
	if c.Place != API {
		return n.commands.Run(ctx, c)
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	res.Output, res.Code, res.Err = natives[c.Name](ctx, n.native, c.Args)
	if err := winsys.Ended(ctx, c.Timeout); res.Err != nil && err != nil {
		res.Err = err
	}
	if errors.Is(res.Err, errors.ErrUnsupported) {
		res.Err = winsys.Reworded(c.Name+" is only done on Windows", fs.ErrNotExist)
	}
	res.Took = time.Since(began)
	return res
}

// natives are the commands of the place API. Output and exit code are those of
// the documented helper, so that a kit sees no difference. Each takes the
// arguments that a kit gives it.
var natives = map[string]func(ctx context.Context, n Native, args []string) (
	output string, code int, err error){
	"cable": func(ctx context.Context, n Native, args []string) (string, int, error) {
		state, err := n.Cable(ctx, parse.CanonicalGUID(strings.Join(args, " ")))
		return map[winsys.Cable]string{
			winsys.CableUnknown: "", winsys.CableConnected: "2\n", winsys.CableDisconnected: "7\n",
		}[state], 0, err
	},
	// It exits with 0 when another host answers, and with 1 when none does.
	"arp": func(ctx context.Context, n Native, args []string) (string, int, error) {
		address, err := netip.ParseAddr(strings.Join(args, " "))
		if err != nil {
			return "", 0, err
		}
		answers, err := n.Answers(ctx, address)
		if !answers {
			return "", 1, err
		}
		return "", 0, err
	},
	"addresses": func(ctx context.Context, n Native, _ []string) (string, int, error) {
		addresses, err := n.Addresses(ctx)
		var b strings.Builder
		for _, a := range addresses {
			fmt.Fprintf(&b, "%s %s", parse.CanonicalGUID(a.GUID), a.IP)
			if a.Context != 0 {
				fmt.Fprintf(&b, " Context=%d", a.Context)
			}
			b.WriteByte('\n')
		}
		return b.String(), 0, err
	},
	"delete-file": func(ctx context.Context, _ Native, args []string) (string, int, error) {
		err := os.Remove(strings.Join(args, " "))
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return changed(ctx, err)
	},
	"write-test": func(ctx context.Context, n Native, args []string) (string, int, error) {
		return changed(ctx, n.WriteTest(ctx, strings.Join(args, " ")))
	},
	"snmp-trap": func(ctx context.Context, n Native, args []string) (string, int, error) {
		var numbers [2]int
		for i := range numbers {
			if len(args) < 3 {
				return "", 0, errors.New("a node, two numbers and texts are needed")
			}
			var err error
			if numbers[i], err = strconv.Atoi(args[i+1]); err != nil {
				return "", 0, err
			}
		}
		return changed(ctx, n.Trap(ctx, winsys.Trap{Node: args[0], Generic: numbers[0],
			Specific: numbers[1], Strings: args[3:]}))
	},
}

// changed is the outcome of what is no question: an error in time is a failure.
func changed(ctx context.Context, err error) (output string, code int, _ error) {
	if err == nil || ctx.Err() != nil || errors.Is(err, errors.ErrUnsupported) {
		return "", 0, err
	}
	return err.Error(), 1, nil
}
