package mailcopy

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mailferry/mailferry/internal/imapwire"
)

// readBack asks the target for the UIDs of what was appended since TargetHigh. The command goes out behind the appends and
// nobody waits for it: when it is answered, every append before it is, and so none after it.
func (u *pump) readBack() {
	high := u.ledger.look().TargetHigh
	u.mu.Lock()
	u.reading = true
	u.mu.Unlock()
	var rows []fetched
	u.tgt.Send(&imapwire.Command{Name: "NOOP", Hold: true}) // shows what is new in the folder
	command := fetchCommand(fmt.Sprintf("%d:*", high+1), "(UID INTERNALDATE)", func(f fetched) error {
		if f.uid > high {
			rows = append(rows, f)
		}
		return nil
	})
	command.Done = func(_ *imapwire.Status, err error) { u.readOff(rows, err) }
	u.tgt.Send(command)
}

// readOff pairs what was appended with the rows, in order. Anything else in between, and nothing is paired here: the
// messages are told apart by their headers when the folder is through.
func (u *pump) readOff(rows []fetched, err error) {
	slices.SortFunc(rows, func(a, b fetched) int { return int(int64(a.uid) - int64(b.uid)) })
	rows = slices.CompactFunc(rows, func(a, b fetched) bool { return a.uid == b.uid })
	u.mu.Lock()
	list := u.unread
	even := err == nil && len(rows) == len(list)
	for i := range list {
		if !even {
			break
		}
		when, ok := rows[i].when()
		even = !ok || list[i].when == 0 || when.Unix() == list[i].when
	}
	u.reading = false
	if even {
		u.unread = nil
	} else {
		u.lost = true
	}
	u.mu.Unlock()
	if even {
		for i, m := range list {
			u.engine.done(u.ledger, m.uid, rows[i].uid, m.size)
		}
	}
}

// resolve finds the UIDs of what was appended and not read back yet.
func (u *pump) resolve() error {
	u.mu.Lock()
	left, lost := len(u.unread), u.lost
	u.mu.Unlock()
	if left == 0 {
		return nil
	}
	if u.tgt.Err() != nil {
		return nil // the next try finds them
	}
	if !lost {
		u.readBack()
		if err := u.barrier(); err != nil {
			return err
		}
	}
	u.mu.Lock()
	list := u.unread
	u.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	if u.src.Err() != nil {
		return errUnread
	}
	return u.resolveByHeader(list)
}

// errUnread has the folder begun again, so that what was appended is found by its headers.
var errUnread = errors.New("the target doesn't tell which messages it took")

// barrier waits until the target has answered everything before it.
func (u *pump) barrier() error {
	_, err := u.tgt.Send(&imapwire.Command{Name: "NOOP"}).Wait(u.hard)
	if err != nil && !answered(err) {
		return fmt.Errorf("waiting for the target: %w", err)
	}
	return nil
}

// resolveByHeader tells what was appended from what others put into the folder meanwhile. The target took every one of
// them, so one that can't be told is accounted for all the same, without its UID.
func (u *pump) resolveByHeader(list []unread) error {
	doubtful, err := u.doubtful(u.hard, u.ledger.look().TargetHigh)
	if err != nil {
		return err
	}
	var wanted []uint32
	size := map[uint32]int64{}
	for _, m := range list {
		wanted = append(wanted, m.uid)
		size[m.uid] = m.size
	}
	slices.Sort(wanted)
	source, err := u.src.identities(u.hard, wanted)
	if err != nil {
		return err
	}
	sortIdentities(source)
	unknown := 0
	for i, j := range match(source, doubtful, u.o.KeepsBytes) {
		uid := source[i].uid
		delete(size, uid)
		if j < 0 {
			unknown++
			u.engine.accepted(u.ledger, uid, source[i].size)
			continue
		}
		u.engine.done(u.ledger, uid, doubtful[j].uid, source[i].size)
	}
	for uid, octets := range size { // left the source meanwhile
		unknown++
		u.engine.accepted(u.ledger, uid, octets)
	}
	u.observe("copy-not-told-apart", unknown)
	u.mu.Lock()
	u.unread = nil
	u.mu.Unlock()
	return nil
}
