package kerberos

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// source gives tickets of a life as long as its KDC is up.
type source struct {
	during func() // runs while the KDC is asked; nil: nothing does
	life   time.Duration
	down   bool
	slow   bool // a frozen KDC: it uses up the time that it has
	asked  int
}

func (s *source) get(ctx context.Context, spn string) (*Ticket, error) {
	s.asked++
	if s.during != nil {
		s.during()
	}
	if s.slow {
		<-ctx.Done()
		return nil, &Error{KDC: "kdc:88", Err: ctx.Err()}
	}
	if s.down {
		return nil, &Error{KDC: "kdc:88", Err: errors.New("down")}
	}
	return &Ticket{End: time.Now().Add(s.life)}, nil
}

func keeping(s *source) *Client {
	return &Client{busy: make(chan struct{}, 1), get: s.get, tickets: map[string]*kept{}}
}

// A ticket of ten hours is kept for nine. Then the KDC may be down for an hour,
// and is asked every six minutes.
func TestTicketIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: 10 * time.Hour}
		cl := keeping(s)
		ask := func() (*Ticket, error) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			return cl.Ticket(ctx, spn)
		}
		first, err := ask()
		if err != nil {
			t.Fatal(err)
		}
		s.down = true
		time.Sleep(9*time.Hour - time.Second)
		if kept, err := ask(); kept != first || err != nil || s.asked != 1 {
			t.Fatalf("%v, %v, asked %d times", kept, err, s.asked)
		}
		for range 59 {
			time.Sleep(time.Minute)
			kept, err := ask()
			if err != nil || kept.End != first.End || kept.Late == nil {
				t.Fatalf("%+v, %v", kept, err)
			}
		}
		if s.asked != 11 {
			t.Errorf("asked %d times in the last hour", s.asked-1)
		}
		time.Sleep(time.Minute + time.Second)
		if kept, err := ask(); err == nil {
			t.Errorf("after its end: %+v", kept)
		}
		s.down = false
		if next, err := ask(); err != nil || next == first || next.Late != nil {
			t.Errorf("%+v, %v", next, err)
		}
	})
}

// A newer ticket takes the place of the old one before that ends.
func TestTicketIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Minute}
		cl := keeping(s)
		for range 100 {
			ticket, err := cl.Ticket(t.Context(), spn)
			if err != nil || ticket.Late != nil || time.Until(ticket.End) < 14*time.Second {
				t.Fatalf("%+v, %v", ticket, err)
			}
			time.Sleep(time.Second)
		}
		if s.asked != 3 {
			t.Errorf("asked %d times", s.asked)
		}
	})
}

// A frozen KDC gets half of the deadline, whether there is a ticket or not. Who
// waits for the same KDC does not wait longer. A cancelled probe ends at once.
func TestHalfOfTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour, slow: true}
		cl := keeping(s)
		began := time.Now()
		done := make(chan error, 2)
		for range 2 {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				_, err := cl.Ticket(ctx, spn)
				done <- err
			}()
		}
		for range 2 {
			if err := <-done; !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 5*time.Second {
				t.Errorf("%v after %s", err, time.Since(began))
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began = time.Now()
		if _, err := cl.Ticket(ctx, spn); !errors.Is(err, context.Canceled) || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// A new password forgets also the ticket that is just being got with the old one.
func TestLoginForgetsATicketUnderWay(t *testing.T) {
	s := &source{life: time.Hour}
	cl := keeping(s)
	s.during = func() {
		s.during = nil
		cl.Login("other", "new")
	}
	old, err := cl.Ticket(t.Context(), spn)
	if err != nil {
		t.Fatal(err)
	}
	if next, err := cl.Ticket(t.Context(), spn); err != nil || next == old || s.asked != 2 {
		t.Errorf("%+v, %v, asked %d times", next, err, s.asked)
	}
}

// A ticket that the server refuses is got again, but not one that was just got.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour}
		cl := keeping(s)
		first, err := cl.Ticket(t.Context(), spn)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if !cl.Forget(first) {
			t.Error("an old ticket may not be got again")
		}
		second, err := cl.Ticket(t.Context(), spn)
		if err != nil || second == first {
			t.Fatal(second, err)
		}
		if cl.Forget(second) {
			t.Error("a ticket that was just got may be got again")
		}
		// Also one that comes with a warning.
		if _, err = cl.Ticket(t.Context(), spn); err != nil {
			t.Fatal(err)
		}
		s.down = true
		time.Sleep(50 * time.Minute)
		late, err := cl.Ticket(t.Context(), spn)
		if err != nil || late.Late == nil || !cl.Forget(late) {
			t.Errorf("%+v, %v", late, err)
		}
		if again, err := cl.Ticket(t.Context(), spn); err == nil {
			t.Errorf("the refused ticket is there: %+v", again)
		}
	})
}
