//go:build !windows

package winsys

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

// WriteTest and all methods below need Windows: they return an error that wraps
// errors.ErrUnsupported.
func (*API) WriteTest(context.Context, string) error {
	return unsupported("the write test of a volume")
}

func (*API) Cable(context.Context, string) (Cable, error) {
	return CableUnknown, unsupported("the state of a network cable")
}

func (*API) Answers(context.Context, netip.Addr) (bool, error) {
	return false, unsupported("SendARP")
}

func (*API) Addresses(context.Context) ([]Address, error) {
	return nil, unsupported("the list of addresses")
}

func (*API) Adapters(context.Context) ([]Adapter, error) {
	return nil, unsupported("the list of network adapters")
}

func sinceBoot() time.Duration { return 0 }
