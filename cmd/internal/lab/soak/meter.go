package main

import (
	"sync"
	"time"

	"github.com/prometheus/procfs"
)

// meter measures how late the timers of this machine are, and how large this
// process is. On a busy machine a late wake-up is not the probe's fault.
type meter struct {
	mu     sync.Mutex
	due    time.Time // of the wake-up that is waited for
	events []lateness
	most   uint64

	quit, ended chan struct{}
}

type lateness struct {
	at time.Time
	by time.Duration
}

const (
	beat       = 5 * time.Millisecond
	worthwhile = 10 * time.Millisecond // what is less late is not noted
)

func startMeter() *meter {
	m := &meter{due: time.Now().Add(beat), quit: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(m.ended)
		timer := time.NewTimer(beat)
		defer timer.Stop()
		for i := 0; ; i++ {
			select {
			case <-timer.C:
			case <-m.quit:
				return
			}
			var size uint64
			if i%20 == 0 {
				size = resident()
			}
			m.mu.Lock()
			now := time.Now()
			if by := now.Sub(m.due); by > worthwhile {
				m.events = append(m.events, lateness{now, by})
			}
			m.most = max(m.most, size)
			m.due = now.Add(beat)
			m.mu.Unlock()
			timer.Reset(beat)
		}
	}()
	return m
}

func (m *meter) stop() {
	close(m.quit)
	<-m.ended
}

// worst is the greatest lateness since then, that of the next wake-up included.
func (m *meter) worst(since time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	worst := max(0, time.Since(m.due))
	for i := len(m.events) - 1; i >= 0 && m.events[i].at.After(since); i-- {
		worst = max(worst, m.events[i].by)
	}
	return worst
}

// memory is the most that this process had resident.
func (m *meter) memory() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.most
}

// resident is how many bytes of this process are in memory.
func resident() uint64 {
	self, err := procfs.Self()
	if err != nil {
		return 0
	}
	stat, _ := self.Stat() // an error: 0
	return uint64(stat.ResidentMemory())
}
