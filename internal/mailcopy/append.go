package mailcopy

import (
	"fmt"
	"strings"

	"github.com/mailferry/mailferry/internal/imapwire"
	"github.com/mailferry/mailferry/internal/migration"
)

// idle is below how many octets read ahead the next message counts as not come yet: what was written is then sent off.
const idle = 64

// append sends one message to the target and doesn't wait for the answer; it reports whether one will come.
func (u *pump) append(m message) (sent bool, err error) {
	fields := headerFields(string(m.header()))
	id := strings.TrimSpace(fields["message-id"])
	refusal := migration.Refusal{Folder: u.name, UID: m.uid, MessageID: id, Size: m.size}
	room := m.size
	var notes []string // to be observed if the target takes it
	if !u.o.KeepsBytes && m.bareLF() {
		done, err := m.mend()
		if err != nil {
			return false, fmt.Errorf("mending the line ends of UID %d: %w", m.uid, err)
		}
		defer done()
		refusal.Size = m.size
		notes = append(notes, "line-ends-mended")
	}
	if u.tooLarge(m.size) {
		refusal.Kind, refusal.Words = "too-large", "larger than the target takes"
		u.arrival(m, fields)
		u.engine.refuse(u.ledger, refusal)
		return false, nil
	}
	when, dated := m.when()
	if !dated {
		notes = append(notes, "date-unreadable")
	}
	flags, dropped := u.targetFlags(m.flags)
	if dropped {
		notes = append(notes, "keywords-dropped")
	}
	if m.binary() {
		notes = append(notes, "nul-octets")
	}
	u.tgt.Send(&imapwire.Command{
		Name: "APPEND",
		Hold: true,
		Args: func(w *imapwire.Writer) error {
			w.SP()
			w.AString(u.wire)
			w.Raw(" (" + strings.Join(flags, " ") + ") ")
			if dated {
				w.Raw(`"` + when.Format("_2-Jan-2006 15:04:05 -0700") + `" `)
			}
			m.write(w, m.binary() && u.tgt.caps["BINARY"])
			return nil
		},
		Done: func(s *imapwire.Status, err error) {
			defer u.release(room) // after all is recorded: that is what drain waits for
			if s != nil {
				u.arrival(m, fields)
			}
			var seconds int64
			if dated {
				seconds = when.Unix()
			}
			if s != nil && s.Kind == "OK" {
				for _, note := range notes {
					u.observe(note, 1)
				}
			}
			u.answered(s, err, refusal, seconds, hasFlag(m.flags, `\Flagged`))
		},
	})
	if u.src.Buffered() < idle {
		u.tgt.Flush()
	}
	return true, nil
}

// arrival counts a message that the source's MX took in since the last pass.
func (u *pump) arrival(m message, fields map[string]string) {
	if u.o.Since.IsZero() || u.use == useJunk {
		return
	}
	from, ok := arrived(fields, u.o.SourceHosts)
	if !ok {
		return
	}
	a := migration.Arrivals{Count: 1}
	if t, dated := m.when(); dated {
		a.Last = t
	}
	if from != "" {
		a.From = []string{from}
	}
	u.engine.mu.Lock()
	defer u.engine.mu.Unlock()
	u.arrivals.Add(a)
}

// targetFlags are the flags that go out with an APPEND. Keywords that the target can't keep are dropped and counted;
// Exchange takes none, and its \Flagged is seen by other programs only if it is set afterwards.
func (p *pass) targetFlags(flags []string) (kept []string, dropped bool) {
	for _, flag := range flags {
		switch folded := strings.ToLower(flag); {
		case folded == `\recent`:
		case folded == `\flagged` && p.tgt.exchange:
		case folded == `\deleted` && !p.o.Rules.Deleted:
		case strings.HasPrefix(flag, `\`):
			if systemFlags[folded] {
				kept = append(kept, flag)
			}
		case p.takesKeyword(folded):
			kept = append(kept, flag)
		default:
			dropped = true
		}
	}
	return kept, dropped
}

var systemFlags = map[string]bool{`\seen`: true, `\answered`: true, `\flagged`: true, `\deleted`: true, `\draft`: true}

func (p *pass) takesKeyword(keyword string) bool {
	if p.tgt.exchange || strings.ContainsAny(keyword, `[]*%\`) {
		return false
	}
	return p.to.permanent == nil || p.to.permanent[`\*`] || p.to.permanent[keyword]
}

// answered takes the target's answer to an APPEND; it runs on the target's reading goroutine.
func (u *pump) answered(s *imapwire.Status, err error, r migration.Refusal, when int64, flagged bool) {
	if s == nil {
		u.unsure.Store(true)
		u.fail(fmt.Errorf("appending to the target: %w", err), &r)
		return
	}
	if s.Kind == "OK" {
		u.appended(s, r, when, flagged)
		return
	}
	r.Words = s.Words
	judged := judge(s)
	switch judged {
	case refusesAll:
		u.fail(fmt.Errorf("appending to the target: %w", err), &r)
		return
	case refusesFull:
		u.fail(migration.NeedsPerson("target-full", fmt.Sprintf("the target mailbox takes no more: %s %s", s.Kind, s.Words),
			"raise its quota or its licence, or make room, and retry", err), nil)
		return
	case refusesSize:
		u.learnLimit(r.Size)
	}
	r.Kind = "refused"
	u.engine.refuse(u.ledger, r)
	if judged == refusesMessage {
		if problem := u.doubt(u.ledger, r, true); problem != nil {
			u.despair(problem)
		}
	}
	u.mu.Lock()
	u.refusals++
	many := u.refusals >= refusalsInARow
	u.mu.Unlock()
	if many {
		u.fail(errRefusals, nil)
	}
}

// appended records an append, with the UID that the target told (APPENDUID, RFC 4315), or to be read back.
func (u *pump) appended(s *imapwire.Status, r migration.Refusal, when int64, flagged bool) {
	var validity, uid uint32
	if s.Code == "APPENDUID" {
		fmt.Sscanf(s.Arg, "%d %d", &validity, &uid)
	}
	u.trust(targetSide)
	u.appends.Add(1)
	known := uid != 0 && (validity == u.to.uidValidity || u.to.uidValidity == 0)
	if flagged && u.tgt.exchange {
		u.ledger.mark(r.UID)
	}
	u.mu.Lock()
	u.refusals = 0
	if !known {
		u.unread = append(u.unread, unread{r.UID, when, r.Size})
	}
	u.mu.Unlock()
	if known {
		u.engine.done(u.ledger, r.UID, uid, r.Size)
	}
}
