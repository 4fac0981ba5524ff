package mailcopy

import (
	"slices"
	"testing"
)

// message makes an identity; an empty header field is a missing one.
func testIdentity(uid uint32, date, header string, size int64) identity {
	return identify(fetched{uid: uid, date: date, header: header, size: size})
}

func TestMatch(t *testing.T) {
	const monday, tuesday = " 2-Mar-2015 10:00:00 +0100", " 3-Mar-2015 10:00:00 +0100"
	const plain = "Message-ID: <1@x>\r\nDate: Mon, 2 Mar 2015 09:00:00 +0000\r\nFrom: Ada <ada@x>\r\nSubject: hi\r\n\r\n"
	const noID = "Date: Mon, 2 Mar 2015 09:00:00 +0000\r\nFrom: ada@x\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n"
	for name, test := range map[string]struct {
		source, target []identity
		keepsBytes     bool
		want           []int
	}{
		"the same instant in another zone": {
			[]identity{testIdentity(1, monday, plain, 1)}, []identity{testIdentity(9, " 2-Mar-2015 09:00:00 +0000", plain, 2)}, false, []int{0},
		},
		"twins need two": {
			[]identity{testIdentity(1, monday, plain, 1), testIdentity(2, monday, plain, 1)}, []identity{testIdentity(9, monday, plain, 1)}, false, []int{0, -1},
		},
		"in order": {
			[]identity{testIdentity(1, monday, plain, 1), testIdentity(2, monday, plain, 1)},
			[]identity{testIdentity(8, monday, plain, 1), testIdentity(9, monday, plain, 1)},
			false,
			[]int{0, 1},
		},
		"another date is another message": {
			[]identity{testIdentity(1, monday, plain, 1)}, []identity{testIdentity(9, tuesday, plain, 1)}, false, []int{-1},
		},
		"a header rewritten, known by its Message-ID": {
			[]identity{testIdentity(1, monday, "Message-ID: <1@x>\r\nSubject: \xe4\xf6\r\n\r\n", 1)},
			[]identity{testIdentity(9, monday, "Subject: ??\r\nMessage-ID:\r\n <1@x>\r\nFrom: nobody@x\r\n\r\n", 1)},
			false,
			[]int{0},
		},
		"the exact one is preferred to one of the same Message-ID": {
			[]identity{testIdentity(1, monday, "Message-ID: <1@x>\r\nSubject: b\r\n\r\n", 1), testIdentity(2, monday, "Message-ID: <1@x>\r\nSubject: a\r\n\r\n", 1)},
			[]identity{testIdentity(9, monday, "Message-ID: <1@x>\r\nSubject: a\r\n\r\n", 1)},
			false,
			[]int{-1, 0},
		},
		"a Message-ID invented by the target": {
			[]identity{testIdentity(1, monday, noID, 1)}, []identity{testIdentity(9, monday, "Message-ID: <made@up>\r\n"+noID, 1)}, false, []int{0},
		},
		"no header at all, and one made up": {
			[]identity{testIdentity(1, monday, "", 1)}, []identity{testIdentity(9, monday, "Message-ID: <made@up>\r\nDate: Mon, 2 Mar 2015 09:00:00 +0000\r\n\r\n", 1)}, false, []int{0},
		},
		"no header is not just anything": {
			[]identity{testIdentity(1, monday, "", 1)}, []identity{testIdentity(9, monday, plain, 1)}, false, []int{-1},
		},
		"the size decides where bytes are kept": {
			[]identity{testIdentity(1, monday, noID, 1), testIdentity(2, monday, noID, 2)}, []identity{testIdentity(9, monday, noID, 2)}, true, []int{-1, 0},
		},
		"but a false size doesn't lose a copy": {
			[]identity{testIdentity(1, monday, plain, 1)}, []identity{testIdentity(9, monday, plain, 2)}, true, []int{0},
		},
		"a date that servers don't keep": {
			[]identity{testIdentity(1, " 1-Jan-1970 00:00:00 +0000", plain, 1)}, []identity{testIdentity(9, monday, plain, 1)}, false, []int{0},
		},
		"others' mail in between": {
			[]identity{testIdentity(1, monday, plain, 1), testIdentity(2, tuesday, plain, 1)},
			[]identity{testIdentity(7, monday, noID, 1), testIdentity(8, monday, plain, 1), testIdentity(9, tuesday, plain, 1)},
			false,
			[]int{1, 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := match(test.source, test.target, test.keepsBytes); !slices.Equal(got, test.want) {
				t.Errorf("matched %v, want %v", got, test.want)
			}
		})
	}
}

func FuzzIdentify(f *testing.F) {
	f.Add("Message-ID: <1@x>\r\nDate: Mon, 2 Mar 2015 09:00:00 +0000\r\nFrom: =?utf-8?q?=C3=A4?= <a@x>\r\n folded\r\nSubject: \xff\r\n\r\n", " 2-Mar-2015 10:00:00 +0100")
	f.Fuzz(func(t *testing.T, header, date string) {
		a, b := testIdentity(1, date, header, 1), testIdentity(2, date, header, 1)
		if a.dated && match([]identity{a}, []identity{b}, false)[0] != 0 {
			t.Errorf("%q isn't known again", header)
		}
	})
}
