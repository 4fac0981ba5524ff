package workflows

import (
	"fmt"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// ending is why no order for going on counts any more, empty if it does.
func (w *wave) ending() string {
	switch {
	case w.aborting() != nil:
		return "the wave is aborted"
	case w.s.Archived:
		return "the wave has ended"
	}
	return ""
}

func (w *wave) pause(o Order) {
	why := w.ending()
	if why == "" && w.s.Paused {
		why = "the wave is paused already"
	}
	if why != "" {
		w.ignore(o.By, SignalPause, why)
		return
	}
	w.s.Paused, w.s.PausedSince = true, w.now()
	w.record(o.By, because("paused", o.Reason))
	w.tell()
}

func (w *wave) resume(o Order) {
	switch {
	case w.ending() != "":
		w.ignore(o.By, SignalResume, w.ending())
		return
	case !w.s.Paused && w.s.Orders.Paused:
		w.ignore(o.By, SignalResume, "the whole tenant is paused; resume that")
		return
	case !w.s.Paused && w.s.Lost == 0:
		w.ignore(o.By, SignalResume, "the wave is not paused")
		return
	}
	w.s.Paused, w.s.PausedSince, w.s.Lost = false, time.Time{}, 0
	w.record(o.By, because("resumed", o.Reason))
	w.tell()
}

func (w *wave) syncNow(o Order) {
	switch {
	case w.ending() != "":
		w.ignore(o.By, SignalSyncNow, w.ending())
	case w.s.Paused || w.s.Orders.Paused:
		w.ignore(o.By, SignalSyncNow, "the wave is paused; resume it first")
	case w.s.Orders.Finish:
		w.ignore(o.By, SignalSyncNow, "the final delta is ordered")
	default:
		w.s.Pass++
		w.record(o.By, because("asked for a delta of every mailbox at once", o.Reason))
	}
}

// exclude leaves a mailbox out: here where its workflow isn't started yet, and otherwise there.
func (w *wave) exclude(o RowOrder) {
	r := w.find(o.Mailbox)
	switch {
	case r == nil:
		w.ignore(o.By, SignalExclude, o.Mailbox+" is not in this wave")
	case r.out():
		w.ignore(o.By, SignalExclude, o.Mailbox+" is left out already")
	case r.Report.Final, w.s.Archived, w.aborting() != nil:
		w.ignore(o.By, SignalExclude, o.Mailbox+" has ended")
	case r.started() && !r.Lost:
		w.record(o.By, because("handed to the mailbox "+o.Mailbox+": leave it out", o.Reason))
		w.handOn(SignalExclude, Order{By: o.By, Reason: o.Reason}, r)
	default:
		w.leaveOut(r, Order{By: o.By, Reason: o.Reason})
		w.record(o.By, because("left out "+o.Mailbox, o.Reason))
		w.tell()
	}
}

// leaveOut leaves out a row that the wave has in hand itself.
func (w *wave) leaveOut(r *row, o Order) {
	r.State, r.Problem, r.Excluded, r.Since = migration.Excluded, nil, o, w.now()
	r.Note = shorten(because("left out by "+o.By, o.Reason), 300)
}

// restart has a mailbox begin again. One that is left out comes back by it, as long as the MX wasn't changed.
func (w *wave) restart(o RowOrder) {
	r := w.find(o.Mailbox)
	switch {
	case r == nil:
		w.ignore(o.By, SignalRestart, o.Mailbox+" is not in this wave")
	case r.Lost:
		w.ignore(o.By, SignalRestart, "the workflow of "+o.Mailbox+" has ended")
	case r.Report.Final, w.s.Archived, w.aborting() != nil:
		w.ignore(o.By, SignalRestart, o.Mailbox+" has ended")
	case r.out() && w.s.Orders.AfterMX:
		w.ignore(o.By, SignalRestart, tooLateToReturn(o.Mailbox))
	case r.started():
		r.Excluded = Order{}
		w.record(o.By, because("handed to the mailbox "+o.Mailbox+": begin again", o.Reason))
		w.handOn(SignalRestart, Order{By: o.By, Reason: o.Reason}, r)
	case r.out():
		r.State, r.Excluded, r.Note, r.Since = migration.Running, Order{}, "", w.now()
		w.record(o.By, because("took "+o.Mailbox+" back in", o.Reason))
		w.tell()
	default:
		w.ignore(o.By, SignalRestart, fmt.Sprintf("%s has not begun to copy; retry the step that waits", o.Mailbox))
	}
}

// tooLateToReturn is why a mailbox that is left out stays so.
func tooLateToReturn(mailbox string) string {
	return mailbox + " is left out, and the MX was changed: it comes back with another launch only"
}
