package main

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// plan is what happens to the connections of one probe. Its decisions depend on
// the seed, the number of the probe, of the connection and of the frame, and on
// nothing else.
type plan struct {
	way
	seed, probe uint64
	conns       atomic.Uint64 // so far
}

// dice are the decisions about one direction of a connection.
type dice struct {
	*rand.Rand
	raw    bool // the stream is spoilt, not its frames
	target int  // this frame is spoilt for sure
	often  int  // and each other one once in so many times; 0: never
}

// connDice are those about both.
type connDice struct {
	refuse   bool
	up, down *dice // of requests, of replies; nil: passed on unchanged
}

// connection decides about the next connection of the probe.
func (p *plan) connection() *connDice {
	if p == nil {
		return nil
	}
	n := p.conns.Add(1)
	if calm := rand.New(rand.NewPCG(p.seed, p.probe<<16)).IntN(p.way.conns); n <= uint64(calm) {
		return nil // so that the later connections have their turn
	}
	throw := func(direction uint64) *dice {
		d := &dice{Rand: rand.New(rand.NewPCG(p.seed, p.probe<<16|n<<2|direction))}
		d.raw, d.target, d.often = d.IntN(5) == 0, d.IntN(p.frames), []int{0, 4, 8}[d.IntN(3)]
		return d
	}
	whole := throw(0)
	c := &connDice{refuse: whole.IntN(60) == 0, down: throw(1)}
	switch whole.IntN(8) {
	case 0:
		c.up = throw(2)
	case 1:
		c.up, c.down = throw(2), nil
	}
	return c
}

// odd is a number that may break a decoder.
func (d *dice) odd(near uint32) uint32 {
	return [...]uint32{0, 1, 2, 3, 4, near - 1, near + 1, near * 2, near / 2, 400, 1025, 0xffff,
		0x10000, 0xffffff, 1 << 20,
		0x7fffffff, 1 << 31, 1<<31 | near, 0xfffffffc, 0xffffffff, d.Uint32()}[d.IntN(21)]
}

// A wound is one way to spoil a frame; b has its 4 bytes of header.
type wound func(m *mangler, b []byte) error

// wounds with their weights. Those that make a probe wait for its deadline are
// rare, since they take long.
var wounds, wounded = weigh([]weighted{
	{20, "bits", func(m *mangler, b []byte) error {
		for range 1 + m.dice.IntN(8) {
			b[m.place(b)] ^= 1 << m.dice.IntN(8)
		}
		return m.send(b)
	}},
	{15, "bytes", func(m *mangler, b []byte) error {
		for range 1 + m.dice.IntN(6) {
			b[m.place(b)] = [...]byte{0, 1, 0xff, 0x7f, 0x80, byte(m.dice.IntN(256)), 8,
				0xfe}[m.dice.IntN(8)]
		}
		return m.send(b)
	}},
	{15, "number", func(m *mangler, b []byte) error {
		if len(b) >= 8 {
			at := 4 + m.dice.IntN(len(b)/4-1)*4
			order := [...]binary.ByteOrder{binary.BigEndian, binary.LittleEndian}[m.dice.IntN(2)]
			order.PutUint32(b[at:], m.dice.odd(uint32(len(b)-at)))
		}
		return m.send(b)
	}},
	{8, "fields exchanged", func(m *mangler, b []byte) error {
		size := [...]int{2, 4, 8}[m.dice.IntN(3)]
		if n := (len(b) - 4) / size; n > 0 {
			one, other := b[4+size*m.dice.IntN(n):][:size], b[4+size*m.dice.IntN(n):][:size]
			for i := range one {
				one[i], other[i] = other[i], one[i]
			}
		}
		return m.send(b)
	}},
	{10, "cut", func(m *mangler, b []byte) error {
		return m.send(m.sized(b[:4+m.dice.IntN(len(b)-3)]))
	}},
	{6, "grown", func(m *mangler, b []byte) error {
		more := make([]byte, 1+m.dice.IntN(64))
		if m.dice.IntN(2) == 0 {
			for i := range more {
				more[i] = byte(m.dice.IntN(256))
			}
		}
		return m.send(m.sized(append(b, more...)))
	}},
	{3, "cut and closed", func(m *mangler, b []byte) error {
		m.send(b[:m.dice.IntN(len(b))])
		return [...]error{errClose, errReset}[m.dice.IntN(2)]
	}},
	{6, "length", func(m *mangler, b []byte) error {
		binary.BigEndian.PutUint32(b, m.dice.odd(uint32(len(b)-4)))
		return m.send(b)
	}},
	{6, "twice", func(m *mangler, b []byte) error {
		for range 1 + m.dice.IntN(3) {
			if err := m.send(b); err != nil {
				return err
			}
		}
		return m.send(b)
	}},
	{5, "an earlier one first", func(m *mangler, b []byte) error {
		if err := m.send(m.earlier()); err != nil {
			return err
		}
		return m.send(b)
	}},
	{3, "an earlier one instead", func(m *mangler, b []byte) error { return m.send(m.earlier()) }},
	{1, "after the next one", func(m *mangler, b []byte) error {
		m.held = append(m.held, b...)
		return nil
	}},
	{5, "late", func(m *mangler, b []byte) error {
		m.rest(time.Duration(1+m.dice.IntN(40)) * time.Millisecond)
		return m.send(b)
	}},
	{1, "never", func(*mangler, []byte) error { return nil }},
	{1, "byte by byte", func(m *mangler, b []byte) error {
		for i := range b {
			if err := m.send(b[i : i+1]); err != nil {
				return err
			}
			if !m.rest(time.Millisecond) {
				return errClose
			}
		}
		return nil
	}},
	{3, "noise first", func(m *mangler, b []byte) error {
		noise := make([]byte, 1+m.dice.IntN(64))
		for i := range noise {
			noise[i] = byte(m.dice.IntN(256))
		}
		return m.send(append(noise, b...))
	}},
	{4, "empty frames first", func(m *mangler, b []byte) error {
		for range 1 + m.dice.IntN(20) {
			if err := m.send(m.framing.more(m.dice)); err != nil {
				return err
			}
		}
		return m.send(b)
	}},
	{3, "reset", func(m *mangler, b []byte) error { return errReset }},
	{3, "closed", func(m *mangler, b []byte) error { return errClose }},
})

type weighted struct {
	weight int
	name   string
	do     wound
}

// weigh returns the wounds, each as often as it weighs, and a counter for each
// name.
func weigh(all []weighted) (list []weighted, counts map[string]*atomic.Int64) {
	counts = map[string]*atomic.Int64{}
	for _, w := range all {
		counts[w.name] = new(atomic.Int64)
		for range w.weight {
			list = append(list, w)
		}
	}
	counts["raw"] = new(atomic.Int64)
	return list, counts
}

// frame passes the n-th frame on, spoilt or not.
func (m *mangler) frame(n int, b []byte) error {
	m.past = append(m.past, append([]byte(nil), b...))
	if len(m.past) > 4 {
		m.past = m.past[1:]
	}
	held := m.held
	m.held = nil
	if n != m.dice.target && (m.dice.often == 0 || m.dice.IntN(m.dice.often) != 0) {
		return m.send(append(b, held...))
	}
	w := wounds[m.dice.IntN(len(wounds))]
	wounded[w.name].Add(1)
	if err := w.do(m, b); err != nil || len(held) == 0 {
		return err
	}
	return m.send(held)
}

// chunk passes the n-th piece of the stream on, spoilt or not.
func (m *mangler) chunk(n int, b []byte) error {
	if n != m.dice.target && m.dice.IntN(4) != 0 {
		return m.send(b)
	}
	wounded["raw"].Add(1)
	at := m.dice.IntN(len(b))
	switch m.dice.IntN(8) {
	case 0, 1, 2:
		b[at] ^= 1 << m.dice.IntN(8)
	case 3: // bytes are missing
		b = append(b[:at], b[min(len(b), at+1+m.dice.IntN(8)):]...)
	case 4: // bytes too many
		b = append(b[:at:at], append(make([]byte, 1+m.dice.IntN(8)), b[at:]...)...)
	case 5: // halves in the wrong order
		b = append(b[at:len(b):len(b)], b[:at]...)
	case 6:
		b = append(b, b[at:]...)
	case 7:
		m.send(b[:at])
		return errReset
	}
	return m.send(b)
}

func (m *mangler) send(b []byte) error {
	_, err := m.dst.Write(b)
	return err
}

// place is where a frame is spoilt: mostly behind its header.
func (m *mangler) place(b []byte) int {
	if len(b) > 4 && m.dice.IntN(10) > 0 {
		return 4 + m.dice.IntN(len(b)-4)
	}
	return m.dice.IntN(len(b))
}

// sized writes the frame's true length into its header.
func (m *mangler) sized(b []byte) []byte {
	mark := binary.BigEndian.Uint32(b)&^m.framing.length | uint32(len(b)-4)&m.framing.length
	binary.BigEndian.PutUint32(b, mark)
	return b
}

func (m *mangler) earlier() []byte { return m.past[m.dice.IntN(len(m.past))] }
