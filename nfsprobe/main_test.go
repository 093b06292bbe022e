package nfsprobe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fsmon/nfsprobe/nfstest"
)

// patience is how long tests wait for what must happen, so that a busy machine
// fails none; also the deadline of a probe whose deadline is not what is
// tested.
const patience = time.Minute

// TestMain gives the tests a network of their own, so that servers can have
// well-known ports.
func TestMain(m *testing.M) {
	nfstest.Isolate()
	if role, ok := childRoles[os.Getenv(childEnv)]; ok {
		role()
		return
	}
	goleak.VerifyTestMain(m)
}

// childEnv makes the test binary run one of childRoles, for what would change
// the tests' own process.
const childEnv = "NFSPROBE_CHILD"

var childRoles = map[string]func(){}

// probe probes once, with a deadline of patience.
func probe(t testing.TB, c Config) (Report, error) {
	t.Helper()
	return probeWith(t, New(c))
}

func probeWith(t testing.TB, p *Prober) (Report, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return probeIn(t, ctx, p)
}

// probeUntilDeadline probes a server that does not answer at step (nor, if both
// versions are tried, at other), with a short deadline that must not be cut. On
// a busy machine the probe may not come that far; then it gets more time.
func probeUntilDeadline(t testing.TB, p *Prober, step Step, other ...Step) (r Report, err error) {
	t.Helper()
	for deadline := 400 * time.Millisecond; ; deadline *= 10 {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		r, err = probeIn(t, ctx, p)
		end, _ := ctx.Deadline()
		cancel()
		early := time.Until(end)
		var failed, second *Error
		if errors.As(err, &failed) && failed.Version == "3" && failed.Step > Mount {
			early -= deadline / goodbyePart // kept for UMNT
		}
		// The connection's own timer may fire a moment before the context's.
		if early > 50*time.Millisecond {
			t.Errorf("ended %v before the deadline", early)
		}
		came := errors.As(err, &failed) && failed.Step == step && (len(other) == 0 ||
			errors.As(failed.Other, &second) && second.Step == other[0])
		if came || deadline*10 > patience {
			return r, err
		}
	}
}

// retry tries again until there is no error: on a busy machine something may be
// late for a short deadline now and then.
func retry(t testing.TB, try func() error) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// probeInTime probes until a probe has ended before its deadline, each time
// with a new prober from begin: a probe that is cut off may leave something at
// the server.
func probeInTime(
	t testing.TB, deadline time.Duration, begin func() *Prober,
) (r Report, err error) {
	t.Helper()
	retry(t, func() error {
		p := begin()
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		if r, err = probeIn(t, ctx, p); ctx.Err() != nil {
			return fmt.Errorf("no probe ended within %v; the last with %v", deadline, err)
		}
		return nil
	})
	return r, err
}

// probeIn probes once and asserts what is true for every probe.
func probeIn(t testing.TB, ctx context.Context, p *Prober) (Report, error) {
	t.Helper()
	r, err := p.Probe(ctx)
	var failed *Error
	if err != nil && !errors.As(err, &failed) {
		t.Errorf("failed with %T %v, want an *Error", err, err)
	}
	if failed != nil && (failed.Connected != (r.Address != "") ||
		failed.SourcePort != r.SourcePort) {
		t.Errorf("%+v does not agree with %q, from %q", failed, r.Address, r.Identity)
	}
	last := Step(-1)
	for _, rung := range r.Rungs {
		if rung.Step <= last {
			t.Errorf("%v after %v: rungs not in wire order", rung.Step, last)
		}
		last = rung.Step
		if rung.Took < 0 {
			t.Errorf("%v took %v", rung.Step, rung.Took)
		}
	}
	goodbye := map[string]Step{"3": Unmount, "4.0": Access, "4.1": DestroyClientID,
		"4.2": DestroyClientID}
	switch {
	case p.config.LockTest:
		goodbye["4.0"] = LockTest
	case p.config.WriteTest:
		goodbye["4.0"] = WriteTest
	case p.config.Marker != "":
		goodbye["4.0"] = Marker
	}
	if p.config.service() != 0 && r.Version != "3" {
		goodbye[r.Version] = DestroyContext
	}
	if err == nil && last != goodbye[r.Version] {
		t.Errorf("healthy on version %q, but the last rung is %v", r.Version, last)
	}
	return r, err
}

// fails asserts the step and cause of a failed probe. The cause is a value for
// errors.Is, or one of the package's own types, which must be equal; for a
// *MalformedError a part of the text is enough.
func fails(t testing.TB, err error, step Step, cause error) {
	t.Helper()
	var failed *Error
	if !errors.As(err, &failed) || failed.Step != step {
		t.Errorf("got %v, want a failure of %v with %v", err, step, cause)
		return
	}
	ok := errors.Is(err, cause)
	switch want := cause.(type) {
	case *MalformedError:
		var got *MalformedError
		ok = errors.As(err, &got) && strings.Contains(got.What, want.What)
	case *RPCError:
		var got *RPCError
		ok = errors.As(err, &got) && *got == *want
	case *Status4:
		var got *Status4
		ok = errors.As(err, &got) && *got == *want
	case *net.DNSError:
		var got *net.DNSError
		ok = errors.As(err, &got) && got.Name == want.Name && got.IsNotFound == want.IsNotFound
	case *net.OpError:
		var got *net.OpError
		ok = errors.As(err, &got) && got.Op == want.Op && errors.Is(got, want.Err)
	}
	if !ok {
		t.Errorf("got %v (%#v), want the cause %v", err, failed.Err, cause)
	}
}

// broken is the error of a connection that failed in a dial, read or write.
func broken(op string, cause error) error { return &net.OpError{Op: op, Err: cause} }
