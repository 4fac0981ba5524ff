package main

import (
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/internal/sandbox"
)

func TestComparison(t *testing.T) {
	at := func(folder string, uid uint32, key string) found { return found{folder: folder, uid: uid, key: key} }
	instantOf := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	letter := func(id string) sandbox.Letter {
		return sandbox.Letter{Folder: "INBOX", MessageID: id, Internal: instantOf}
	}
	// dated is the key of such a letter.
	dated := func(id string) string { return short(instantOf, id) }
	unmovable := map[string]bool{"b": true}
	for _, test := range []struct {
		name           string
		source, target reading
		facts          facts
		want           string
		closes         bool
	}{
		{
			"everything arrived",
			reading{at("INBOX", 1, "a"), at("Sent", 1, "b")},
			reading{at("Inbox", 9, "b"), at("Inbox", 8, "a")},
			facts{put: 2},
			"2 of 2 messages accounted for, 0 lost, 0 duplicated", true,
		},
		{
			"one is missing",
			reading{at("INBOX", 1, "a"), at("INBOX", 2, "b")},
			reading{at("Inbox", 9, "b")},
			facts{put: 2},
			"1 of 2 messages accounted for, 1 lost, 0 duplicated", false,
		},
		{
			"one is gone from both sides",
			reading{at("INBOX", 1, "a")},
			reading{at("Inbox", 1, "a")},
			facts{put: 2},
			"1 of 2 messages accounted for, 1 lost, 0 duplicated", false,
		},
		{
			"one is at the source that nobody put there",
			reading{at("INBOX", 1, "a"), at("INBOX", 2, "b")},
			reading{at("Inbox", 1, "a"), at("Inbox", 2, "b")},
			facts{put: 1},
			"2 of 2 messages accounted for, 0 lost, 1 duplicated", false,
		},
		{
			"two equal messages need two",
			reading{at("INBOX", 1, "a"), at("INBOX", 2, "a")},
			reading{at("Inbox", 9, "a")},
			facts{put: 2},
			"1 of 2 messages accounted for, 1 lost, 0 duplicated", false,
		},
		{
			"one came twice",
			reading{at("INBOX", 1, "a")},
			reading{at("Inbox", 9, "a"), at("Inbox", 10, "a")},
			facts{put: 1},
			"1 of 1 messages accounted for, 0 lost, 1 duplicated", false,
		},
		{
			"one that the tenant can't take is named as refused",
			reading{at("INBOX", 1, "a"), at("INBOX", 2, "b")},
			reading{at("Inbox", 9, "a")},
			facts{put: 2, unmovable: unmovable, refused: []migration.Refusal{{Folder: "INBOX", UID: 2}}},
			"2 of 2 messages accounted for, 0 lost, 0 duplicated", true,
		},
		{
			"one that the tenant can't take is named by nobody",
			reading{at("INBOX", 2, "b")},
			nil,
			facts{put: 1, unmovable: unmovable},
			"0 of 1 messages accounted for, 1 lost, 0 duplicated", false,
		},
		{
			"one that the tenant would have taken is named as refused",
			reading{at("INBOX", 1, "a")},
			nil,
			facts{put: 1, unmovable: unmovable, refused: []migration.Refusal{{Folder: "INBOX", UID: 1}}},
			"0 of 1 messages accounted for, 1 lost, 0 duplicated", false,
		},
		{
			"one is named as refused and there all the same",
			reading{at("INBOX", 2, "b")},
			reading{at("Inbox", 2, "b")},
			facts{put: 1, unmovable: unmovable, refused: []migration.Refusal{{Folder: "INBOX", UID: 2}}},
			"1 of 1 messages accounted for, 0 lost, 1 duplicated", false,
		},
		{
			"one of another folder is not the refused one",
			reading{at("INBOX", 2, "b")},
			nil,
			facts{put: 1, unmovable: unmovable, refused: []migration.Refusal{{Folder: "Sent", UID: 2}}},
			"0 of 1 messages accounted for, 1 lost, 0 duplicated", false,
		},
		{
			"delivered straight to the target", nil,
			reading{at("Inbox", 1, "a")},
			facts{direct: []string{"a"}},
			"1 of 1 messages accounted for, 0 lost, 0 duplicated", true,
		},
		{
			"lost on its way to the target", nil, nil,
			facts{direct: []string{"a"}},
			"0 of 1 messages accounted for, 1 lost, 0 duplicated", false,
		},
		{
			"left out by rule",
			reading{{folder: "INBOX", uid: 1, key: "a", deleted: true}},
			nil,
			facts{put: 1},
			"1 of 1 messages accounted for, 0 lost, 0 duplicated", true,
		},
		{
			"flagged for deletion after it was copied",
			reading{{folder: "INBOX", uid: 1, key: "a", deleted: true}},
			reading{at("Inbox", 1, "a")},
			facts{put: 1},
			"1 of 1 messages accounted for, 0 lost, 0 duplicated", true,
		},
		{
			"one lies in another folder than the rest of its own",
			reading{at("Work", 1, "a"), at("Work", 2, "b")},
			reading{at("Work", 1, "a"), at("Inbox", 1, "b")},
			facts{put: 2},
			"2 of 2 messages accounted for, 0 lost, 0 duplicated", false,
		},
		{
			"two folders became one",
			reading{at("Trash", 1, "a"), at("trash", 1, "b")},
			reading{at("Deleted Items", 1, "a"), at("Deleted Items", 2, "b")},
			facts{put: 2},
			"2 of 2 messages accounted for, 0 lost, 0 duplicated", true,
		},
		{
			"the mailbox of somebody who left is left out, half copied",
			reading{at("INBOX", 1, "a"), at("INBOX", 2, "b")},
			reading{at("Inbox", 1, "a")},
			facts{put: 2, leaver: true, excluded: true},
			"2 of 2 messages accounted for, 0 lost, 0 duplicated", true,
		},
		{
			"a mailbox left out has one message twice",
			reading{at("INBOX", 1, "a"), at("INBOX", 2, "b")},
			reading{at("Inbox", 1, "a"), at("Inbox", 2, "a")},
			facts{put: 2, leaver: true, excluded: true},
			"2 of 2 messages accounted for, 0 lost, 1 duplicated", false,
		},
		{
			"a mailbox is left out and nobody has left",
			reading{at("INBOX", 1, "a")},
			nil,
			facts{put: 1, excluded: true},
			"0 of 1 messages accounted for, 1 lost, 0 duplicated", false,
		},
		{
			"the mailbox of somebody who left is said to be copied and isn't",
			reading{at("INBOX", 1, "a")},
			nil,
			facts{put: 1, leaver: true},
			"0 of 1 messages accounted for, 1 lost, 0 duplicated", false,
		},
		{
			"deleted for good at the source after it was copied", nil,
			reading{at("Inbox", 1, dated("<1@a>"))},
			facts{put: 1, deeds: []sandbox.Deed{{Side: sandbox.Source, Verb: sandbox.PurgeIt, Letter: letter("<1@a>")}}},
			"1 of 1 messages accounted for, 0 lost, 0 duplicated", true,
		},
		{
			"deleted for good at the source and followed at the target", nil, nil,
			facts{put: 1, deeds: []sandbox.Deed{{Side: sandbox.Source, Verb: sandbox.PurgeIt, Letter: letter("<1@a>")}}},
			"0 of 1 messages accounted for, 1 lost, 0 duplicated", false,
		},
		{
			"deleted for good in the new mailbox",
			reading{at("INBOX", 1, dated("<1@a>"))},
			nil,
			facts{put: 1, deeds: []sandbox.Deed{{Side: sandbox.Target, Verb: sandbox.PurgeIt, Letter: letter("<1@a>")}}},
			"1 of 1 messages accounted for, 0 lost, 0 duplicated", true,
		},
		{
			"deleted for good in the new mailbox and brought back",
			reading{at("INBOX", 1, dated("<1@a>"))},
			reading{at("Inbox", 9, dated("<1@a>"))},
			facts{put: 1, deeds: []sandbox.Deed{{Side: sandbox.Target, Verb: sandbox.PurgeIt, Letter: letter("<1@a>")}}},
			"1 of 1 messages accounted for, 0 lost, 1 duplicated", false,
		},
		{
			"filed in the new mailbox",
			reading{at("INBOX", 1, dated("<1@a>")), at("INBOX", 2, "b")},
			reading{at("Sorted", 1, dated("<1@a>")), at("Inbox", 2, "b")},
			facts{put: 2, deeds: []sandbox.Deed{{Side: sandbox.Target, Verb: sandbox.FileIt, To: "Sorted", Letter: letter("<1@a>")}}},
			"2 of 2 messages accounted for, 0 lost, 0 duplicated", true,
		},
		{
			"filed in the new mailbox and put back",
			reading{at("INBOX", 1, dated("<1@a>")), at("INBOX", 2, "b")},
			reading{at("Inbox", 1, dated("<1@a>")), at("Inbox", 2, "b")},
			facts{put: 2, deeds: []sandbox.Deed{{Side: sandbox.Target, Verb: sandbox.FileIt, To: "Sorted", Letter: letter("<1@a>")}}},
			"2 of 2 messages accounted for, 0 lost, 0 duplicated", false,
		},
		{
			"a mark in the new mailbox was taken away",
			reading{at("INBOX", 1, dated("<1@a>"))},
			reading{at("Inbox", 1, dated("<1@a>"))},
			facts{put: 1, deeds: []sandbox.Deed{{Side: sandbox.Target, Verb: sandbox.MarkIt, Letter: letter("<1@a>")}}},
			"1 of 1 messages accounted for, 0 lost, 0 duplicated", false,
		},
		{
			"filed at the source, and the copy followed",
			reading{at("Archive", 1, dated("<1@a>")), at("Archive", 2, "b"), at("INBOX", 3, "c")},
			reading{at("Archiv", 1, dated("<1@a>")), at("Archiv", 2, "b"), at("Inbox", 3, "c")},
			facts{put: 3, deeds: []sandbox.Deed{{Side: sandbox.Source, Verb: sandbox.FileIt, To: "Archive", Letter: letter("<1@a>")}}},
			"3 of 3 messages accounted for, 0 lost, 0 duplicated", true,
		},
		{
			"filed at the source, and the copy went elsewhere",
			reading{at("Archive", 1, dated("<1@a>")), at("Archive", 2, "b"), at("INBOX", 3, "c")},
			reading{at("Drafts", 1, dated("<1@a>")), at("Archiv", 2, "b"), at("Inbox", 3, "c")},
			facts{put: 3, deeds: []sandbox.Deed{{Side: sandbox.Source, Verb: sandbox.FileIt, To: "Archive", Letter: letter("<1@a>")}}},
			"3 of 3 messages accounted for, 0 lost, 0 duplicated", false,
		},
		{"nothing at all proves nothing", nil, nil, facts{}, "0 of 0 messages accounted for, 0 lost, 0 duplicated", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c comparison
			test.facts.listed = true
			c.mailbox("ada@example.com", test.source, test.target, test.facts)
			if c.String() != test.want || c.closes() != test.closes {
				t.Errorf("%s, closes %t; want %s, %t\n%v", c.String(), c.closes(), test.want, test.closes, c.faults)
			}
			if whys := c.tally; whys.there+whys.byRule+whys.refused+whys.excluded+whys.purged != c.accounted {
				t.Errorf("the tally %+v does not sum up to %d", whys, c.accounted)
			}
		})
	}
}

func TestKeyOfARewrittenMessage(t *testing.T) {
	arrived := time.Date(2026, 11, 24, 13, 0, 0, 0, time.FixedZone("", 3600))
	original := "Subject: a long\r\n\tsubject\r\nMessage-ID: <1@example.com>\r\nFrom: Ada <ada@example.com>\r\nDate: Tue, 24 Nov 2026 13:00:00 +0100\r\n\r\n"
	rewritten := "Message-Id:\n <1@example.com>\nDate: Tue, 24 Nov 2026 13:00:00 +0100\nFrom: Ada <ada@example.com>\nSubject: a long subject\n\n"
	if a, b := key(arrived, []byte(original)), key(arrived.UTC(), []byte(rewritten)); a != b {
		t.Errorf("the same message has the keys\n%q\n%q", a, b)
	}
	if a, b := key(arrived, []byte(original)), key(arrived.Add(time.Second), []byte(original)); a == b {
		t.Error("the time of arrival makes no difference")
	}
}
