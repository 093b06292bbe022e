package winsys

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

var procSendARP = windows.NewLazySystemDLL("iphlpapi.dll").NewProc("SendARP")

// call calls a function that returns a Win32 error code. What its arguments
// point to is not moved meanwhile.
//
//go:uintptrescapes
func call(p *windows.LazyProc, args ...uintptr) error {
	if err := p.Find(); err != nil {
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	if code, _, _ := p.Call(args...); code != 0 {
		return windows.Errno(code)
	}
	return nil
}

// WriteTest writes LK_nnnn.tmp with "test" to the volume ("E"), through to the
// disk, reads it back and removes it: what CheckVolume.exe does.
func (*API) WriteTest(ctx context.Context, volume string) error {
	_, err := within(ctx, "write test of volume "+volume, func() (struct{}, error) {
		return struct{}{}, writeTest(strings.TrimSuffix(volume, ":") + `:\`)
	})
	return err
}

// ipv4 is an address as iphlpapi takes it: four bytes in network order in a
// DWORD.
func ipv4(a netip.Addr) (uintptr, error) {
	a = a.Unmap()
	if !a.Is4() {
		return 0, fmt.Errorf("%v: only IPv4 addresses can be served: %w", a, errors.ErrUnsupported)
	}
	b := a.As4()
	return uintptr(binary.LittleEndian.Uint32(b[:])), nil
}

// Cable asks for the state of an adapter's cable (GetIfEntry2,
// MediaConnectState). The GUID has braces, here and below, and may be in any
// case.
func (*API) Cable(ctx context.Context, guid string) (Cable, error) {
	return within(ctx, "network adapter "+guid, func() (Cable, error) {
		index, err := interfaceIndex(guid)
		if err != nil {
			return CableUnknown, err
		}
		row := windows.MibIfRow2{InterfaceIndex: index}
		if err := windows.GetIfEntry2Ex(windows.MibIfEntryNormal, &row); err != nil {
			return CableUnknown, fmt.Errorf("GetIfEntry2Ex: %w", err)
		}
		switch row.MediaConnectState { // NET_IF_MEDIA_CONNECT_STATE
		case 1:
			return CableConnected, nil
		case 2:
			return CableDisconnected, nil
		}
		return CableUnknown, nil
	})
}

// interfaceIndex finds an adapter by its GUID, in any case.
func interfaceIndex(guid string) (index uint32, err error) {
	found := false
	err = eachAdapter(func(a *windows.IpAdapterAddresses) {
		if found || !strings.EqualFold(windows.BytePtrToString(a.AdapterName), guid) {
			return
		}
		found = true
		if index = a.IfIndex; index == 0 {
			index = a.Ipv6IfIndex
		}
	})
	if err == nil && !found {
		err = errors.New("there is no such adapter, or it is disabled")
	}
	return index, err
}

// Adapters lists the network adapters that are enabled.
func (*API) Adapters(ctx context.Context) ([]Adapter, error) {
	return within(ctx, "the list of network adapters", func() (list []Adapter, err error) {
		err = eachAdapter(func(a *windows.IpAdapterAddresses) {
			if a.IfType == windows.IF_TYPE_SOFTWARE_LOOPBACK {
				return
			}
			adapter := Adapter{Name: windows.UTF16PtrToString(a.FriendlyName),
				GUID: windows.BytePtrToString(a.AdapterName)}
			for u := a.FirstUnicastAddress; u != nil; u = u.Next {
				if ip, ok := netip.AddrFromSlice(u.Address.IP()); ok && ip.Unmap().Is4() {
					adapter.Addresses = append(adapter.Addresses, ip.Unmap())
				}
			}
			list = append(list, adapter)
		})
		return list, err
	})
}

// eachAdapter calls f with every adapter that is enabled.
func eachAdapter(f func(*windows.IpAdapterAddresses)) error {
	const flags = windows.GAA_FLAG_SKIP_ANYCAST | windows.GAA_FLAG_SKIP_MULTICAST |
		windows.GAA_FLAG_SKIP_DNS_SERVER
	size := uint32(16 << 10)
	for range 5 { // the list may grow between two calls
		buf := make([]byte, size)
		first := (*windows.IpAdapterAddresses)(unsafe.Pointer(&buf[0]))
		err := windows.GetAdaptersAddresses(windows.AF_UNSPEC, flags, 0, first, &size)
		if errors.Is(err, windows.ERROR_BUFFER_OVERFLOW) {
			continue
		}
		if err != nil {
			return fmt.Errorf("GetAdaptersAddresses: %w", err)
		}
		for a := first; a != nil; a = a.Next {
			f(a)
		}
		return nil
	}
	return errors.New("GetAdaptersAddresses: the list does not stop growing")
}

// adapterInfos lists the adapters with their IPv4 addresses. Only
// GetAdaptersInfo tells an address's NTE context, which names it to
// ips_ipchange -d.
func adapterInfos(each func(a *syscall.IpAdapterInfo)) error {
	size := uint32(16 << 10)
	for range 5 {
		buf := make([]byte, size)
		first := (*syscall.IpAdapterInfo)(unsafe.Pointer(&buf[0]))
		err := syscall.GetAdaptersInfo(first, &size)
		switch {
		case errors.Is(err, syscall.Errno(windows.ERROR_BUFFER_OVERFLOW)):
			continue
		case errors.Is(err, syscall.Errno(windows.ERROR_NO_DATA)): // no adapter
			return nil
		case err != nil:
			return fmt.Errorf("GetAdaptersInfo: %w", err)
		}
		for a := first; a != nil; a = a.Next {
			each(a)
		}
		return nil
	}
	return errors.New("GetAdaptersInfo: the list does not stop growing")
}

// Addresses lists the IPv4 addresses of this machine: ips_ipchange -l.
func (*API) Addresses(ctx context.Context) ([]Address, error) {
	return within(ctx, "the list of addresses", listAddresses)
}

func listAddresses() (list []Address, err error) {
	err = adapterInfos(func(a *syscall.IpAdapterInfo) {
		for ip := &a.IpAddressList; ip != nil; ip = ip.Next {
			// An adapter without an address has 0.0.0.0.
			if addr, err := netip.ParseAddr(cString(ip.IpAddress.String[:])); err == nil &&
				!addr.IsUnspecified() {
				list = append(list, Address{GUID: cString(a.AdapterName[:]), IP: addr,
					Context: ip.Context})
			}
		}
	})
	return list, err
}

func cString(b []byte) string { return windows.ByteSliceToString(b) }

// Answers tells whether another host answers for the address on the link
// (SendARP). An address of this machine is not asked about.
func (*API) Answers(ctx context.Context, address netip.Addr) (bool, error) {
	return within(ctx, "SendARP "+address.String(), func() (bool, error) {
		ip, err := ipv4(address)
		if err != nil {
			return false, err
		}
		own, err := listAddresses()
		if err != nil {
			return false, err
		}
		for _, o := range own {
			if o.IP == address.Unmap() {
				return false, nil
			}
		}
		var mac [8]byte
		size := uint32(len(mac))
		err = call(procSendARP, ip, 0, uintptr(unsafe.Pointer(&mac)),
			uintptr(unsafe.Pointer(&size)))
		// Both mean that no answer came: the first since Windows Vista, the
		// second before (SendARP, return values).
		if errors.Is(err, windows.ERROR_BAD_NET_NAME) || errors.Is(err, windows.ERROR_GEN_FAILURE) {
			return false, nil
		}
		return err == nil, err
	})
}

func sinceBoot() time.Duration { return windows.DurationSinceBoot() }
