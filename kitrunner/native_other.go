//go:build !windows

package kitrunner

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

func unsupported(what string) error {
	return fmt.Errorf("%s: %w on this system", what, errors.ErrUnsupported)
}

func (n *native) WriteTest(context.Context, string) error {
	return unsupported("the write test of a volume")
}

func (n *native) Cable(context.Context, string) (Cable, error) {
	return CableUnknown, unsupported("the state of a network cable")
}

func (n *native) Answers(context.Context, netip.Addr) (bool, error) {
	return false, unsupported("SendARP")
}

func (n *native) Addresses(context.Context) ([]Address, error) {
	return nil, unsupported("the list of addresses")
}

func (n *native) AddAddress(context.Context, string, netip.Addr, netip.Addr) error {
	return unsupported("adding an address")
}

func (n *native) DeleteAddress(context.Context, uint32) error {
	return unsupported("deleting an address")
}

func (n *native) AddAlias(context.Context, string) error { return unsupported("adding an alias") }

func (n *native) DeleteAlias(context.Context, string) error { return unsupported("deleting an alias") }

func sinceBoot() time.Duration { return 0 }
