package plan

import (
	"fmt"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

const day = migration.Duration(24 * time.Hour)

func (c *checker) copying() {
	r := &c.plan.Copy
	c.between("copy.connections", &r.Connections, 3, 1, 20)
	c.wait("copy.sliceTime", &r.SliceTime, migration.Duration(15*time.Minute))
	c.between("copy.sliceMessages", &r.SliceMessages, 20_000, 1, 1_000_000)
	if !c.given("copy.sliceBytes") {
		r.SliceBytes = 1 << 30
	}
	if r.SliceBytes < 1 {
		c.fault("copy.sliceBytes", fmt.Sprintf("%d bytes are too few", r.SliceBytes), "1073741824 is usual")
	}
}

// timing fills in and checks every wait. The defaults, and why:
//
//   - a mailbox takes minutes to 24 hours to be made (Microsoft, "Delays in provisioning of user or mailbox");
//   - a record is seen everywhere within its old TTL, which is two days at most in practice;
//   - a delta a day before the MX change is what Microsoft's own migration does; after it mail goes on to come in at the
//     source, and people wait for it, so every 15 minutes;
//   - senders that cache the old MX give up within 72 hours; after 14 days a person should look;
//   - the others keep the load on Temporal small without making anybody wait.
func (c *checker) timing() {
	t := &c.plan.Timing
	for _, w := range []struct {
		key   string
		value *migration.Duration
		usual time.Duration
	}{
		{"poll", &t.Poll, time.Minute},
		{"mailboxLimit", &t.MailboxLimit, 24 * time.Hour},
		{"dnsLimit", &t.DNSLimit, 48 * time.Hour},
		{"delta", &t.Delta, 24 * time.Hour},
		{"deltaAfterMX", &t.DeltaAfterMX, 15 * time.Minute},
		{"quiet", &t.Quiet, 72 * time.Hour},
		{"quietLimit", &t.QuietLimit, 14 * 24 * time.Hour},
		{"report", &t.Report, 5 * time.Minute},
		{"resend", &t.Resend, time.Minute},
		{"children", &t.Children, time.Hour},
		{"retry", &t.Retry, 5 * time.Second},
		{"retryMax", &t.RetryMax, 10 * time.Minute},
		{"heartbeat", &t.Heartbeat, 2 * time.Minute},
	} {
		c.wait("timing."+w.key, w.value, migration.Duration(w.usual))
	}
	c.atMost("timing.deltaAfterMX", t.DeltaAfterMX, "timing.delta", t.Delta)
	c.atMost("timing.quiet", t.Quiet, "timing.quietLimit", t.QuietLimit)
	c.atMost("timing.retry", t.Retry, "timing.retryMax", t.RetryMax)
	c.atMost("timing.poll", t.Poll, "timing.mailboxLimit", t.MailboxLimit)
	c.atMost("timing.poll", t.Poll, "timing.dnsLimit", t.DNSLimit)
}

// wait checks a duration, and fills the default in where none is given.
func (c *checker) wait(path string, d *migration.Duration, usual migration.Duration) {
	if !c.given(path) {
		*d = usual
	}
	if *d < migration.Duration(time.Millisecond) || *d > 365*day {
		c.fault(path, fmt.Sprintf("%s is no wait", *d), "write one between 1ms and 365d, like 15m or 14d")
	}
}

func (c *checker) atMost(path string, d migration.Duration, limitPath string, limit migration.Duration) {
	if d <= limit {
		return
	}
	at := path
	if !c.given(path) {
		at = limitPath
	}
	c.fault(at, fmt.Sprintf("%s is %s, which is more than %s, %s", path, d, limitPath, limit), "change one of the two")
}
