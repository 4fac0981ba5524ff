package workflows

// wasAborted is why an order comes too late, as far as it is for going on.
func (t *tenant) wasAborted() string { return "the migration was aborted by " + t.s.Aborted.By }

func (t *tenant) pause(o Order) {
	switch {
	case t.s.Aborted != nil:
		t.ignore(o.By, SignalPause, t.wasAborted())
	case t.s.Paused:
		t.ignore(o.By, SignalPause, "the migration is paused already")
	default:
		t.s.Paused = true
		t.record(o.By, because("paused", o.Reason))
	}
}

func (t *tenant) resume(o Order) {
	switch {
	case t.s.Aborted != nil:
		t.ignore(o.By, SignalResume, t.wasAborted())
	case !t.s.Paused:
		t.ignore(o.By, SignalResume, "the migration is not paused; a wave or a mailbox that was paused by itself is resumed by itself")
	default:
		t.s.Paused = false
		t.record(o.By, because("resumed", o.Reason))
	}
}

func (t *tenant) syncNow(o Order) {
	switch {
	case t.s.Aborted != nil:
		t.ignore(o.By, SignalSyncNow, t.wasAborted())
	case t.s.Paused:
		t.ignore(o.By, SignalSyncNow, "the migration is paused; resume it first")
	case t.s.Finish:
		t.ignore(o.By, SignalSyncNow, "the final delta of every mailbox is ordered")
	default:
		t.s.Pass++
		t.record(o.By, because("asked for a delta of every mailbox at once", o.Reason))
	}
}

// where answers the query.
func (t *tenant) where(address string) (Where, error) {
	at, known := t.s.Ledger.wave(address)
	if !known {
		return Where{}, nil
	}
	return Where{Enrolled: true, Wave: t.waveID(t.s.Waves[at]), Mailbox: MailboxID(t.scope.Tenant, t.scope.Launch, address)}, nil
}

// handRow gives an order about one mailbox to its wave.
func (t *tenant) handRow(name string, o RowOrder) {
	at, known := t.s.Ledger.wave(o.Mailbox)
	switch {
	case !known:
		t.ignore(o.By, name, "no list has "+o.Mailbox)
	case t.s.Waves[at].Report.Final:
		t.ignore(o.By, name, "the mailboxes of wave "+t.s.Waves[at].Name+" have ended")
	case t.s.Waves[at].Lost:
		t.ignore(o.By, name, "its wave "+t.s.Waves[at].Name+" ended without a report, or can't be reached")
	default:
		t.record(o.By, because(name+" of "+o.Mailbox+" was handed to wave "+t.s.Waves[at].Name, o.Reason))
		t.handOn(name, o, t.s.Waves[at])
	}
}
