package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"fsmon/cmd/internal/lab/proc"
	"fsmon/watchreg"
)

// claimArg makes this program one that claims an identifier again and again.
// Its further arguments are the registry, the guard file and for how many
// seconds.
const claimArg = "-claim"

const (
	claimers   = 4
	claimRound = 150 // claims of each, at least
	contested  = "claimed"
)

// claimMain claims and releases one identifier many times while others do the
// same. The holder makes the guard file, so two holders are noticed even if the
// lock fails.
func claimMain(args []string) int {
	err := errors.New("the registry, a guard file and seconds are needed")
	if len(args) == 3 {
		err = claimUntil(args[0], args[1], args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func claimUntil(dir, guard, seconds string) error {
	n, err := strconv.Atoi(seconds)
	if err != nil {
		return err
	}
	registry, err := watchreg.Open(dir)
	if err != nil {
		return err
	}
	end := time.Now().Add(time.Duration(n) * time.Second)
	for held := 0; held < claimRound || time.Now().Before(end); {
		c, err := registry.Claim(contested)
		if errors.Is(err, watchreg.ErrInUse) {
			continue
		}
		if err != nil {
			return err
		}
		f, err := os.OpenFile(guard, os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("two holders: %w", err)
		}
		f.Close()
		if held%2 == 0 {
			err = c.WriteStatus(watchreg.Status{Note: strconv.Itoa(held)})
		}
		if err := errors.Join(err, os.Remove(guard), c.Release()); err != nil {
			return err
		}
		held++
	}
	return nil
}

// startClaimers starts processes that claim one identifier, without a command
// of ours between them and the registry.
func (f *fray) startClaimers(guard string) (all []*proc.Process, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for range claimers {
		p, err := proc.Start(exec.Command(self, claimArg, f.registry, guard,
			strconv.Itoa(int(f.duration.Seconds()))))
		if err != nil {
			return all, err
		}
		all = append(all, p)
	}
	return all, nil
}
