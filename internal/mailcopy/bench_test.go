package mailcopy_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/mailferry/mailferry/internal/mailcopy"
	"github.com/mailferry/mailferry/internal/mailcopy/dovecottest"
	"github.com/mailferry/mailferry/internal/migration"
)

// BenchmarkCopy copies 2,000 messages of some 4 kB between two Dovecots, and looks once more.
func BenchmarkCopy(b *testing.B) {
	w := newWorld(b)
	r := rand.New(rand.NewPCG(1, 2))
	c := login(b, w.source.Address, w.user)
	for n := range 2000 {
		put(b, c, "INBOX", mail{"\\Seen", day(n), letter(r, n, 4000)})
	}
	source, target := w.accounts()
	o := mailcopy.Options{KeepsBytes: true}
	for n := 0; b.Loop(); n++ {
		to := target
		to.Auth.User = fmt.Sprintf("%s%d", w.user, n)
		to.Auth.Token = nil
		to.Auth.Mechanism, to.Auth.Password = "", dovecottest.Password
		var state migration.MailboxState
		for range 2 {
			learnt, _, err := mailcopy.Copy(b.Context(), source, to, state, o)
			if err != nil {
				b.Fatal(err)
			}
			state.Merge(learnt)
		}
		if a := state.Account(); a.Copied != 2000 {
			b.Fatalf("account %+v", a)
		}
	}
	b.ReportMetric(2000*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
