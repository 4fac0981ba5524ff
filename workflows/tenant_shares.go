package workflows

import "slices"

// claim is what a wave wants and has of a source: left mailboxes have their first copy before them, and held copies at
// once may be under way there.
type claim struct{ left, held int }

// deal divides what a source bears among the waves, one each in turn as long as a wave has use for it. What a wave may
// still be using counts as used until it has said otherwise, so that all together never go over the limit; what one
// doesn't need goes to the others.
func deal(limit int, claims []claim) []int {
	fair := make([]int, len(claims))
	for left, given := limit, true; left > 0 && given; {
		given = false
		for i, c := range claims {
			if left > 0 && fair[i] < c.left {
				fair[i]++
				left--
				given = true
			}
		}
	}
	free := limit
	for _, c := range claims {
		free -= c.held
	}
	for i, c := range claims {
		if more := fair[i] - c.held; more > 0 {
			more = max(0, min(more, free))
			fair[i] = c.held + more
			free -= more
		}
	}
	return fair
}

// sharedOf is how many of an endpoint's mailboxes are in a list of shares.
func sharedOf(shares []share, endpoint string) int {
	for _, s := range shares {
		if s.Endpoint == endpoint {
			return s.Mailboxes
		}
	}
	return 0
}

// shares are those of a wave, by what the waves last said that they need.
func (t *tenant) shares(w *tenantWave) []share {
	at := slices.Index(t.s.Waves, w)
	var all []share
	for _, e := range t.in.Plan.Endpoints {
		claims := make([]claim, len(t.s.Waves))
		for i, other := range t.s.Waves {
			claims[i].held = sharedOf(other.Held, e.Name)
			if n := slices.IndexFunc(other.Report.Needs, func(n need) bool { return n.Endpoint == e.Name }); n >= 0 && other.Begun && !other.Lost {
				claims[i].left = other.Report.Needs[n].Left
			}
		}
		if n := deal(e.MailboxesAtOnce, claims)[at]; n > 0 {
			all = append(all, share{e.Name, n})
		}
	}
	return all
}

// hold notes what a wave may use under orders that are about to be sent.
func (w *tenantWave) hold(o waveOrders) {
	w.Asked = o.Number
	for _, s := range o.Shares {
		i := slices.IndexFunc(w.Held, func(h share) bool { return h.Endpoint == s.Endpoint })
		if i < 0 {
			w.Held = append(w.Held, s)
			continue
		}
		w.Held[i].Mailboxes = max(w.Held[i].Mailboxes, s.Mailboxes)
	}
}

// released notes what a wave uses now that it has obeyed its last orders.
func (w *tenantWave) released() {
	if w.Report.Obeyed < w.Asked {
		return
	}
	w.Held = nil
	for _, n := range w.Report.Needs {
		if held := max(n.Using, sharedOf(w.Told.Shares, n.Endpoint)); held > 0 {
			w.Held = append(w.Held, share{n.Endpoint, held})
		}
	}
}
