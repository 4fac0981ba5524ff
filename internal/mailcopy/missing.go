package mailcopy

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/migration"
)

// secondLooks are the pauses before a folder's messages that the source could not give out are asked for again. They are
// short, because the answers for which it is worth waiting longer are errors: those have the whole folder tried again.
var secondLooks = [...]time.Duration{time.Second, 4 * time.Second}

// patience is how long all pauses of a copy may take together: a source that gives nothing out would have every folder wait.
const patience = 10 * time.Second

// absent is a message that was asked for alone and didn't come.
type absent struct {
	uid  uint32
	said string
	// withheld: the server said OK. passing: what it said may be a fault of its own rather than the message's.
	withheld, passing bool
}

// errWithheld: the source says OK and doesn't give a message out that it lists. That is no answer, so it is asked again.
var errWithheld = errors.New("the source lists the message and doesn't give it out")

// fetchMissing asks once more, one by one, for what didn't come, and after some pauses again where that may help. What is
// still there and doesn't come then is broken at the source.
func (u *pump) fetchMissing() error {
	left, err := u.askAlone(u.missing())
	for _, wait := range secondLooks {
		if err != nil || !slices.ContainsFunc(left, func(a absent) bool { return a.passing }) || !u.waits(wait) {
			break
		}
		if err := pause(u.ctx, wait); err != nil {
			return err
		}
		left, err = u.askAlone(u.missing())
	}
	if err != nil {
		return err
	}
	withheld := 0
	for _, a := range left {
		if a.withheld {
			withheld++
			u.suspects(a.uid)
			continue
		}
		r := migration.Refusal{Folder: u.name, UID: a.uid, Kind: "source-broken", Words: a.said}
		u.engine.refuse(u.ledger, r)
		// What can't be had is asked for last, so it comes in a row; it counts as one where the folder gave nothing.
		if err := u.doubt(u.ledger, r, !u.ledger.given()); err != nil {
			return err
		}
	}
	switch {
	case withheld > max(doubtsInFolder, u.ledger.tasks()/20):
		return migration.NeedsPerson("source-refuses", fmt.Sprintf("the source lists %d messages of folder %q and doesn't give them out", withheld, u.name),
			"see whether the source's storage is in order and readable for this sign-in, and retry", nil)
	case withheld > 0:
		return errWithheld
	}
	return nil
}

// waits reports whether there is patience left for a pause, and takes it.
func (e *engine) waits(d time.Duration) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waited += d
	return e.waited <= patience
}

// askAlone asks for messages one by one, and returns those that are there and don't come. A server that says it can't just
// now is an error, of the message where the server gives out others.
func (u *pump) askAlone(list []uint32) (left []absent, err error) {
	for _, uid := range list {
		command := u.ask([]uint32{uid})
		if err := u.fetched(command); err != nil {
			return nil, err
		}
		if !u.isPending(uid) {
			continue
		}
		a := absent{uid: uid, said: "the server lists the message and doesn't give it out"}
		if _, err := command.Wait(u.ctx); err != nil {
			var status *imapwire.StatusError
			if errors.As(err, &status) {
				if transient(&status.Status) {
					if u.givesOthers(uid) {
						u.suspects(uid)
					}
					return nil, fmt.Errorf("fetching from the source: %w", err)
				}
				a.passing = status.Code == "" || status.Code == "SERVERBUG" || status.Code == "CONTACTADMIN"
			}
			a.said = err.Error()
		} else {
			a.withheld = true
		}
		here, err := u.isHere(uid)
		if err != nil {
			return nil, err
		}
		if !here {
			u.ledger.gone(uid)
			delete(u.flags, uid)
			u.drop(uid)
			continue
		}
		left = append(left, a)
	}
	return left, nil
}

// isHere reports whether the source still lists a message, in one way or the other.
func (u *pump) isHere(uid uint32) (bool, error) {
	here := false
	err := u.src.fetch(u.ctx, fmt.Sprint(uid), "(UID)", func(f fetched) error {
		here = here || f.uid == uid
		return nil
	})
	if partial(err) {
		return true, nil
	}
	if err != nil || here {
		return here, err
	}
	listed, err := u.src.listUIDs(u.ctx, fmt.Sprint(uid))
	return slices.Contains(listed, uid), err
}

// givesOthers reports whether the source gives out any message but this one: then it is this one that is in the way.
func (u *pump) givesOthers(but uint32) bool {
	if u.ledger.given() {
		return true
	}
	for _, uid := range u.ledger.newest(3) {
		gives := false
		err := u.src.fetch(u.ctx, fmt.Sprint(uid), "(UID BODY.PEEK[]<0.16>)", func(f fetched) error {
			gives = gives || f.uid == uid && uid != but
			return nil
		})
		if err == nil && gives {
			return true
		}
	}
	return false
}

// suspects makes the message the suspect of this try, unless there is one.
func (u *pump) suspects(uid uint32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.suspect == nil {
		u.suspect = &migration.Refusal{Folder: u.name, UID: uid}
	}
}

// drop takes a message off what was asked for.
func (u *pump) drop(uid uint32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.pending, uid)
}
