package nfstest

import (
	"net"
	"sync"
)

// connections are those that a server or relay has accepted and not closed yet.
type connections struct {
	mu     sync.Mutex
	closed bool // closeAll was called
	open   map[net.Conn]bool
}

// add takes a connection, and closes it at once after closeAll.
func (c *connections) add(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = map[net.Conn]bool{}
	}
	c.open[conn] = true
	if c.closed {
		conn.Close()
	}
}

func (c *connections) close(conn net.Conn) {
	conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
}

func (c *connections) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for conn := range c.open {
		conn.Close()
	}
}

func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}
