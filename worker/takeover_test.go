package main

import (
	"testing"
	"time"
)

// TestKilledInMidCopy kills a worker without warning while it appends: another goes on from the last heartbeat.
func TestKilledInMidCopy(t *testing.T) {
	t.Parallel()
	c := newCrossing(t)
	killed := c.work()
	c.launch()
	c.underWay()
	killed.end()
	before := writers(c.target.soFar())
	c.ended(before)
	if held := c.held(); held < under || held >= 2*letters {
		t.Fatalf("the target held %d messages of %d after the kill, want some", held, 2*letters)
	}
	told := c.told()

	c.taken(c.work())
	if tells := c.told(); tells < told || told < under {
		t.Errorf("the last heartbeat before the kill told of %d messages, the first of the next attempt of %d", told, tells)
	}
	c.hurry()
	c.arrive()
	c.followed(before)
}

// TestCutOffInMidCopy cuts one of two workers off from Temporal, though not from the mailboxes, while it appends: it stops
// by itself before the server gives the copy to the other.
func TestCutOffInMidCopy(t *testing.T) {
	t.Parallel()
	c := newCrossing(t)
	lonely, other := c.work(), c.work()
	c.launch()
	if a := c.underWay(); other.has(a) {
		lonely, other = other, lonely
	} else if !lonely.has(a) {
		t.Fatalf("nobody's copy is %+v", a)
	}
	before := writers(c.target.soFar())
	lonely.line.Stall()
	cut := time.Now()
	stopped := c.ended(before)
	t.Logf("it stopped %s after the cut", stopped.Sub(cut).Round(time.Millisecond))
	if held := c.held(); held < under || held >= 2*letters {
		t.Fatalf("the target held %d messages of %d when the worker stopped, want some", held, 2*letters)
	}
	if began := c.taken(other); !stopped.Before(began) {
		t.Errorf("the worker that was cut off stopped at %s, and the other began at %s", stopped, began)
	}
	c.hurry()
	c.arrive()
	c.followed(before)
}

// ended waits until the connections have ended, and with them all that was under way on them, and returns when that was.
func (c *crossing) ended(connections map[int]bool) (at time.Time) {
	c.t.Helper()
	c.until("the end of the connections to the target", func() bool {
		at = lastEnd(c.target.soFar(), connections)
		return !at.IsZero()
	})
	return at
}

// followed fails the test unless others have appended too, and none of them before these connections had ended.
func (c *crossing) followed(before map[int]bool) {
	c.t.Helper()
	lines := c.target.soFar()
	stopped := lastEnd(lines, before)
	if len(writers(lines)) <= len(before) {
		c.t.Errorf("only the %d connections that ended have appended", len(before))
	}
	for _, l := range lines {
		if !l.appends() || before[l.Connection] {
			continue
		}
		if l.Time.Before(stopped) {
			c.t.Errorf("connection %d appended at %s, and those before ended at %s", l.Connection, l.Time, stopped)
		}
		c.t.Logf("the next append came %s after the last connection before had ended", l.Time.Sub(stopped).Round(time.Millisecond))
		return
	}
}
