package main

import (
	"testing"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

func TestComparison(t *testing.T) {
	at := func(folder string, uid uint32, key string) found { return found{folder: folder, uid: uid, key: key} }
	for _, test := range []struct {
		name           string
		source, target reading
		direct         []string
		refused        []migration.Refusal
		want           string
		closes         bool
	}{
		{
			"everything arrived",
			reading{at("INBOX", 1, "a"), at("Sent", 1, "b")},
			reading{at("Inbox", 9, "b"), at("Inbox", 8, "a")},
			nil, nil,
			"2 of 2 messages accounted for, 0 lost, 0 duplicated", true,
		},
		{
			"one is missing",
			reading{at("INBOX", 1, "a"), at("INBOX", 2, "b")},
			reading{at("Inbox", 9, "b")},
			nil, nil,
			"1 of 2 messages accounted for, 1 lost, 0 duplicated", false,
		},
		{
			"two equal messages need two",
			reading{at("INBOX", 1, "a"), at("INBOX", 2, "a")},
			reading{at("Inbox", 9, "a")},
			nil, nil,
			"1 of 2 messages accounted for, 1 lost, 0 duplicated", false,
		},
		{
			"one came twice",
			reading{at("INBOX", 1, "a")},
			reading{at("Inbox", 9, "a"), at("Inbox", 10, "a")},
			nil, nil,
			"1 of 1 messages accounted for, 0 lost, 1 duplicated", false,
		},
		{
			"a refused one is named",
			reading{at("INBOX", 1, "a"), at("INBOX", 2, "b")},
			reading{at("Inbox", 9, "a")},
			nil,
			[]migration.Refusal{{Folder: "INBOX", UID: 2}},
			"2 of 2 messages accounted for, 0 lost, 0 duplicated", true,
		},
		{
			"one of another folder is not the refused one",
			reading{at("INBOX", 2, "b")},
			nil, nil,
			[]migration.Refusal{{Folder: "Sent", UID: 2}},
			"0 of 1 messages accounted for, 1 lost, 0 duplicated", false,
		},
		{
			"delivered straight to the target", nil,
			reading{at("Inbox", 1, "a")},
			[]string{"a"},
			nil,
			"1 of 1 messages accounted for, 0 lost, 0 duplicated", true,
		},
		{"lost on its way to the target", nil, nil, []string{"a"}, nil, "0 of 1 messages accounted for, 1 lost, 0 duplicated", false},
		{
			"left out by rule",
			reading{{folder: "INBOX", uid: 1, key: "a", deleted: true}},
			nil, nil, nil,
			"1 of 1 messages accounted for, 0 lost, 0 duplicated", true,
		},
		{
			"flagged for deletion after it was copied",
			reading{{folder: "INBOX", uid: 1, key: "a", deleted: true}},
			reading{at("Inbox", 1, "a")},
			nil, nil,
			"1 of 1 messages accounted for, 0 lost, 0 duplicated", true,
		},
		{
			"one lies in another folder than the rest of its own",
			reading{at("Work", 1, "a"), at("Work", 2, "b")},
			reading{at("Work", 1, "a"), at("Inbox", 1, "b")},
			nil, nil,
			"2 of 2 messages accounted for, 0 lost, 0 duplicated", false,
		},
		{
			"two folders became one",
			reading{at("Trash", 1, "a"), at("trash", 1, "b")},
			reading{at("Deleted Items", 1, "a"), at("Deleted Items", 2, "b")},
			nil, nil,
			"2 of 2 messages accounted for, 0 lost, 0 duplicated", true,
		},
		{"nothing at all proves nothing", nil, nil, nil, nil, "0 of 0 messages accounted for, 0 lost, 0 duplicated", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c comparison
			c.mailbox("ada@example.com", test.source, test.target, test.direct, test.refused)
			if c.String() != test.want || c.closes() != test.closes {
				t.Errorf("%s, closes %t; want %s, %t\n%v", c.String(), c.closes(), test.want, test.closes, c.faults)
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
