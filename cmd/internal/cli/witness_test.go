package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fsmon/cmd/internal/watch"
)

// Witnesses are asked after a failure that does not count refused logons, and
// what they answer lasts as long as the failures. One that hangs is not asked
// again meanwhile, and nobody waits for it.
func TestWitnesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // witnesses are asked at the same time
		asked := map[string]int{}
		ctx, cancel := context.WithCancel(t.Context())
		req := request{Witnesses: []string{"127.0.0.1", "node2", "hangs"}}
		req.Timeout = 5 * time.Second
		w := newWitnesses(ctx, req, Target{At: func(address string) watch.Probe {
			return func(ctx context.Context) (watch.Report, error) {
				mu.Lock()
				asked[address]++
				mu.Unlock()
				switch address {
				case "node2":
					return watch.Report{}, errors.New("refused")
				case "hangs":
					<-ctx.Done()
					return watch.Report{}, ctx.Err()
				}
				return watch.Report{}, nil
			}
		}})
		event := func(kind watch.Kind, class Class, want string) {
			t.Helper()
			began := time.Now()
			got := fmt.Sprint(w.on(watch.Event{Kind: kind, Class: class}))
			if took := time.Since(began); got != want || took > 0 {
				t.Errorf("%v %s: %s after %v, want %s", kind, class, got, took, want)
			}
			time.Sleep(time.Second)
		}
		const none = "[127.0.0.1 has not answered yet node2 has not answered yet " +
			"hangs has not answered yet]"
		const some = "[127.0.0.1 answers the same probe node2 fails too (refused) " +
			"hangs has not answered yet]"
		event(watch.Healthy, "", "[]")
		event(watch.Failed, watch.Account, "[]")
		event(watch.Failed, watch.Server, none)
		event(watch.Failed, watch.Server, some)
		event(watch.Healthy, "", "[]") // what is still asked belongs to the failures before
		event(watch.Refused, watch.Access, none)
		event(watch.Judged, watch.Server, some)
		time.Sleep(10 * time.Second)
		event(watch.Judged, watch.Server, some)
		if d := cmp.Diff(map[string]int{"127.0.0.1": 3, "node2": 3, "hangs": 1}, asked); d != "" {
			t.Errorf("asked (-want +got):\n%s", d)
		}
		event(watch.Failed, watch.Server, some)
		cancel()
		synctest.Wait()
	})
}

func TestWhatAWitnessExplains(t *testing.T) {
	s := announcer()
	for _, c := range []struct {
		w    watch.Witness
		want string
	}{
		{watch.Witness{Address: "127.0.0.1", Answered: true}, "127.0.0.1 answers the same probe: " +
			"the server lives, the address or the network is at fault"},
		{watch.Witness{Address: "::1", Answered: true, Err: errBroken}, "::1 fails too " +
			"(negotiate: broken): the server itself is at fault, not the address or the network"},
		{watch.Witness{Address: "192.0.2.12", Answered: true}, "192.0.2.12 answers the same probe: " +
			"if it is the other node, a failover should help"},
		{watch.Witness{Address: "node2", Answered: true, Err: errBroken}, "node2 fails too " +
			"(negotiate: broken): if it is the other node, a failover would not help"},
		{watch.Witness{Address: "node2"}, "node2 has not answered yet"},
	} {
		if got := s.explains(c.w); got != c.want {
			t.Errorf("%+v: %q, want %q", c.w, got, c.want)
		}
	}
	s.Diagnose = func(error) Diagnosis { return Diagnosis{Class: Local, Alerts: []Alert{{}}} }
	if got := s.explains(watch.Witness{Address: "a", Answered: true, Err: errBroken}); got !=
		"a could not be asked (negotiate: broken)" {
		t.Errorf("%q", got)
	}
}
