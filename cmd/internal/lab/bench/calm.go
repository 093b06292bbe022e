package main

import (
	"fmt"
	"math"
)

// calmTool is the way whose times tell whether the machine was quiet: the same
// work again and again, of many processes and pages, so that whatever else runs
// makes some of its runs slower than the fastest.
const calmTool = "smbclient -c exit"

// calmMost is how far the median may be above the minimum on a quiet machine.
const calmMost = 1.4

// calm is what the times of calmTool were, in seconds. The zero value was not
// measured.
type calm struct{ median, least float64 }

func calmOf(all []cost) calm {
	c := calm{medians(all).wall, math.Inf(1)}
	for _, one := range all {
		c.least = min(c.least, one.wall)
	}
	return c
}

func (c calm) String() string {
	if c == (calm{}) {
		return "Whether the machine was quiet was not measured."
	}
	ratio := c.median / c.least
	said := "The machine was quiet enough"
	if ratio > calmMost {
		said = "THE MACHINE WAS NOT QUIET, so these figures are worth little"
	}
	return fmt.Sprintf("%s.\n(%s took %s, %.2fx of its minimum; at most %.2fx is quiet.)", said,
		calmTool, milliseconds(c.median), ratio, calmMost)
}
