package workflows

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"
)

// signal is a channel and what is done with what comes. Signals are taken raw and decoded here, because the SDK drops
// what it cannot decode and overlooks fields it doesn't know.
type signal struct {
	name    string
	channel workflow.ReceiveChannel
	take    func(converter.RawValue)
}

// What people write into signals is kept, and carried from run to run, so it is bounded: in bytes of JSON.
const (
	// maxSignal is the size of a whole payload.
	maxSignal = 8 << 10
	maxBy     = 200
	maxText   = 500 // a reason, a note, an entry of the audit trail
	// maxAddress is the longest address there can be: RFC 3696 section 3, 64 + 1 + 255.
	maxAddress = 320
	maxDigest  = 64
)

// bounded is the order with nothing in it too long to keep.
func (o Order) bounded() Order {
	return Order{By: cut(o.By, maxBy), Reason: cut(o.Reason, maxText)}
}

func (o StepOrder) bounded() StepOrder {
	o.By, o.Reason, o.Mailbox = cut(o.By, maxBy), cut(o.Reason, maxText), strings.ToLower(cut(o.Mailbox, maxAddress))
	return o
}

func (d Decision) bounded() Decision {
	return Decision{Digest: cut(d.Digest, maxDigest), By: cut(d.By, maxBy), Note: cut(d.Note, maxText)}
}

// on has signals of people of the name taken. One that is too large is ignored unread.
func (c *core) on(name, description string, take func(converter.RawValue)) {
	c.receive(name, description, func(raw converter.RawValue) {
		if size := len(raw.Payload().GetData()); size > maxSignal {
			c.ignore("", name, fmt.Sprintf("its payload has %d bytes, and may have %d", size, maxSignal))
			return
		}
		take(raw)
	})
}

// receive has signals of the name taken, of whatever size: a tenant hands rows to its waves.
func (c *core) receive(name, description string, take func(converter.RawValue)) {
	channel := workflow.GetSignalChannelWithOptions(c.base, name, workflow.SignalChannelOptions{Description: description})
	c.signals = append(c.signals, signal{name, channel, take})
}

// onOrder has an order of a person taken. Where the order must be signed, one without a name is ignored.
func (c *core) onOrder(name, description string, signed bool, take func(Order)) {
	c.on(name, description, func(raw converter.RawValue) {
		var order Order
		if err := decode(raw, &order); err != nil {
			c.ignore("", name, err.Error())
			return
		}
		order = order.bounded()
		if signed && order.By == "" {
			c.ignore("", name, `it must say who gives it: {"by": "..."}`)
			return
		}
		take(order)
	})
}

// onStep has an order about a step taken.
func (c *core) onStep(name, description string, take func(StepOrder)) {
	c.on(name, description, func(raw converter.RawValue) {
		var order StepOrder
		err := decode(raw, &order)
		order = order.bounded()
		switch {
		case err != nil:
			c.ignore("", name, err.Error())
		case order.By == "":
			c.ignore("", name, `it must say who gives it: {"step": 6, "by": "..."}`)
		case !order.Step.Valid():
			c.ignore(order.By, name, fmt.Sprintf("there is no step %d; they are numbered from 1 to 11", order.Step))
		default:
			take(order)
		}
	})
}

// onRow has an order about one mailbox taken, which must be signed.
func (c *core) onRow(name, description string, take func(RowOrder)) {
	c.on(name, description, func(raw converter.RawValue) {
		var order RowOrder
		err := decode(raw, &order)
		order.By, order.Reason, order.Mailbox = cut(order.By, maxBy), cut(order.Reason, maxText), cut(order.Mailbox, maxAddress)
		switch {
		case err != nil:
			c.ignore("", name, err.Error())
		case order.By == "" || order.Mailbox == "":
			c.ignore(order.By, name, `it must say which mailbox, and who gives it: {"mailbox": "ada@example.com", "by": "..."}`)
		default:
			order.Mailbox = strings.ToLower(order.Mailbox)
			take(order)
		}
	})
}

// onMessage has what parent and child say to one another taken. It is decoded leniently: the other may be newer.
func onMessage[T any](c *core, name string, take func(T)) {
	c.receive(name, "internal", func(raw converter.RawValue) {
		var message T
		if err := decodeLoosely(raw.Payload().GetData(), &message); err != nil {
			c.ignore("", name, "it can't be read: "+err.Error())
			return
		}
		take(message)
	})
}

// listen takes signals as they come. It never blocks in a receive or a selector: those take a signal out of its channel
// before their coroutine runs, so that one which comes in the very task in which the workflow goes on as a new run would
// be lost.
func (c *core) listen() {
	waits := func() bool {
		for _, s := range c.signals {
			if s.channel.Len() > 0 {
				return true
			}
		}
		return false
	}
	workflow.Go(c.base, func(ctx workflow.Context) {
		for workflow.Await(ctx, waits) == nil {
			c.drain()
			c.touch()
		}
	})
}

// drain takes every signal that has come already, in order, and reports whether there was one.
func (c *core) drain() bool {
	taken := false
	take := func(s signal) bool {
		var raw converter.RawValue
		if !s.channel.ReceiveAsync(&raw) {
			return false
		}
		s.take(raw)
		taken = true
		return true
	}
	for name, some := c.arrivals.pop(); some; name, some = c.arrivals.pop() {
		if i := slices.IndexFunc(c.signals, func(s signal) bool { return s.name == name }); i >= 0 {
			take(c.signals[i])
		}
	}
	for _, s := range c.signals { // those whose order nobody noted
		for take(s) {
		}
	}
	return taken
}

// decode reads a signal's JSON and refuses what it doesn't know. An empty payload is an empty object.
func decode(raw converter.RawValue, into any) error {
	data := bytes.TrimSpace(raw.Payload().GetData())
	if len(data) == 0 || bytes.Equal(data, []byte("null")) {
		return nil
	}
	return decodeStrictly(data, into)
}
