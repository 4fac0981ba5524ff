package migration

import "time"

// Point is how far a migration was at a moment.
type Point struct {
	At time.Time `json:"at"`
	// Mailboxes are those that were enrolled, Verified those whose last pass closed.
	Mailboxes int `json:"mailboxes"`
	Verified  int `json:"verified"`
	// Messages and Bytes are at the target.
	Messages int   `json:"messages"`
	Bytes    int64 `json:"bytes"`
}

// Curve is how a migration grew over time, in at most [MaxPoints] points.
type Curve struct {
	Points []Point `json:"points,omitempty"`
	// Spacing is the least time between two points, but for the last.
	Spacing Duration `json:"spacing,omitempty"`
}

// MaxPoints is how many points a curve has at most. Whoever looks at it sees no more of a picture's width than that.
const MaxPoints = 200

// Add takes a newer point in, where it says something new. The last point is always the newest; of those before it
// every second is given up whenever there are too many.
func (c *Curve) Add(p Point) {
	n := len(c.Points)
	if n > 0 {
		last := c.Points[n-1]
		last.At = p.At
		if last == p {
			return
		}
	}
	if n > 1 && c.Points[n-1].At.Sub(c.Points[n-2].At) < c.Spacing.D() {
		c.Points[n-1] = p
		return
	}
	c.Points = append(c.Points, p)
	if len(c.Points) <= MaxPoints {
		return
	}
	half := make([]Point, 0, len(c.Points)/2+1)
	for i := 0; i < len(c.Points); i += 2 {
		half = append(half, c.Points[i])
	}
	c.Points = half
	c.Spacing = Duration(p.At.Sub(half[0].At) / time.Duration(len(half)-1))
}
