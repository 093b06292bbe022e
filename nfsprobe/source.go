package nfsprobe

import (
	"math/rand/v2"
	"slices"
	"sync"
)

// Source ports that only a privileged process may bind, the same as the Linux
// client takes. Exports ask for one unless they say "insecure".
const firstPort, ports = 665, 1023 - 665 + 1

// Ports from firstSpare on are spare ones, for probers whose own are taken. Their
// connections leave none of them in TIME_WAIT, so there is always one.
const firstSpare = firstPort + ports/2

// servicePorts are left to daemons that may start later: spamd, rsync, rndc,
// imaps, pop3s and others.
var servicePorts = []int{749, 750, 783, 853, 873, 953, 989, 990, 992, 993, 995}

// sources are the privileged source ports of a prober. It keeps to two and uses
// them again and again, since each stays in TIME_WAIT for a minute after every
// probe, and a program that does not share it (such as the kernel's NFS client)
// cannot bind it meanwhile. Two, because two connections to the same port of a
// server cannot share one: in "auto" both versions speak to the NFS port.
type sources struct {
	mu   sync.Mutex
	port [2]int
}

// get is port i. It is chosen at its first use.
func (s *sources) get(i int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.port[i] == 0 {
		s.port[i] = s.next(firstPort + rand.IntN(firstSpare-firstPort-1))
	}
	return s.port[i]
}

// replace chooses another port i, since old could not be used: the next one, or
// a spare one.
func (s *sources) replace(i, old int, spare bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.port[i] != old: // another connection has been here
	case spare && old < firstSpare:
		s.port[i] = s.next(firstSpare + rand.IntN(ports/2))
	default:
		s.port[i] = s.next(old)
	}
}

// next is the port after this one, in a circle, that is nobody's.
func (s *sources) next(port int) int {
	for {
		port = firstPort + (port-firstPort+1)%ports
		if !slices.Contains(servicePorts, port) && !slices.Contains(s.port[:], port) {
			return port
		}
	}
}
