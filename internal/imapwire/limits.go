package imapwire

import "fmt"

// Limits bounds what is taken from the other side. A zero field has the default given beside it.
type Limits struct {
	// Line is how many octets a line may have, its literals left out; 64 KiB.
	Line int
	// String is how many octets a literal may have that is read into memory as a string; 64 KiB.
	String int
	// Depth is how deep lists may nest; 32.
	Depth int
	// Literal is how many octets a streamed literal may have; 1 GiB.
	Literal int64
}

func (l Limits) filled() Limits {
	if l.Line == 0 {
		l.Line = 64 << 10
	}
	if l.String == 0 {
		l.String = 64 << 10
	}
	if l.Depth == 0 {
		l.Depth = 32
	}
	if l.Literal == 0 {
		l.Literal = 1 << 30
	}
	return l
}

// LimitError says that the other side sent more than the limits allow.
type LimitError struct {
	// What is "line", "string", "depth" or "literal".
	What string
	// Size is what was announced, 0 where it isn't known; Max is what is allowed.
	Size, Max int64
}

func (e *LimitError) Error() string {
	if e.Size > 0 {
		return fmt.Sprintf("the %s has %d octets, more than the %d allowed", e.What, e.Size, e.Max)
	}
	return fmt.Sprintf("the %s is over the limit of %d", e.What, e.Max)
}

// SyntaxError says that a line is not what the grammar wants.
type SyntaxError struct {
	// Want is what was expected, Near what stands there, cut short.
	Want, Near string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("expected %s at %q", e.Want, e.Near) }
