package smtp

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"go.etcd.io/bbolt"
)

var letterBucket = []byte("outside")

// Letter is a message on its way from outside to one recipient, and what became of it.
type Letter struct {
	ID   string `json:"id"`
	From string `json:"from"`
	To   string `json:"to"`
	Body []byte `json:"body"`
	// Host is the mail exchanger that was tried last, or that took it.
	Host string `json:"host,omitempty"`
	// Trying is set from before a try until its outcome is known: after a kill the same host is tried first, with the
	// same envelope identifier, so that the message can't end up on both sides of a change.
	Trying    bool      `json:"trying,omitempty"`
	Queued    time.Time `json:"queued"`
	Next      time.Time `json:"next,omitzero"`
	Delivered time.Time `json:"delivered,omitzero"`
	// Bounced is set once a server has refused it for good; Answer has the last server's words.
	Bounced bool   `json:"bounced,omitempty"`
	Answer  string `json:"answer,omitempty"`
	Tries   int    `json:"tries,omitempty"`
}

// Done reports whether nothing more will happen to the letter.
func (l *Letter) Done() bool { return l.Bounced || !l.Delivered.IsZero() }

// OutsideConfig says how the sender finds its way.
type OutsideConfig struct {
	DB *bbolt.DB
	// Name is what it calls itself.
	Name string
	// Exchangers finds a domain's mail exchangers, best first; Route finds where one listens, host:port.
	Exchangers func(ctx context.Context, domain string) ([]string, error)
	Route      func(exchanger string) (address string, known bool)
	// TLS verifies the exchangers' certificates.
	TLS *tls.Config
	// Retry is the pause before a message is tried again.
	Retry time.Duration
	Log   *slog.Logger
}

// Outside is somebody else's mail server. It is safe for concurrent use.
type Outside struct {
	OutsideConfig
	wake chan struct{}
	// road is held by whoever may send, or holds all sending back.
	road chan struct{}

	mu      sync.Mutex
	pending map[string]*Letter
}

// OpenOutside reads the queue from the database.
func OpenOutside(c OutsideConfig) (*Outside, error) {
	o := &Outside{OutsideConfig: c, wake: make(chan struct{}, 1), road: make(chan struct{}, 1), pending: map[string]*Letter{}}
	err := c.DB.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(letterBucket)
		if err != nil {
			return err
		}
		return b.ForEach(func(_, value []byte) error {
			l := new(Letter)
			if err := json.Unmarshal(value, l); err != nil {
				return err
			}
			if !l.Done() {
				o.pending[l.ID] = l
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("reading the outside queue: %w", err)
	}
	return o, nil
}

// Submit queues a message. It is in the database when Submit returns; an ID that was queued before changes nothing.
func (o *Outside) Submit(l Letter) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.DB.Update(func(tx *bbolt.Tx) error { return o.Enqueue(tx, l) })
	if err != nil {
		return err
	}
	return o.loadPending(l.ID)
}

// Enqueue is Submit inside a transaction of the caller's, who calls [Outside.Queued] once it is committed.
func (o *Outside) Enqueue(tx *bbolt.Tx, l Letter) error {
	b := tx.Bucket(letterBucket)
	if b.Get([]byte(l.ID)) != nil {
		return nil
	}
	value, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return b.Put([]byte(l.ID), value)
}

// Queued takes up a letter that [Outside.Enqueue] has put into the database.
func (o *Outside) Queued(id string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.loadPending(id)
}

func (o *Outside) loadPending(id string) error {
	l := new(Letter)
	err := o.DB.View(func(tx *bbolt.Tx) error { return json.Unmarshal(tx.Bucket(letterBucket).Get([]byte(id)), l) })
	if err != nil {
		return err
	}
	if !l.Done() && o.pending[id] == nil {
		o.pending[id] = l
		select {
		case o.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// Letters returns everything that was ever queued, in the order of the IDs.
func (o *Outside) Letters() ([]Letter, error) {
	var all []Letter
	err := o.DB.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(letterBucket).ForEach(func(_, value []byte) error {
			var l Letter
			if err := json.Unmarshal(value, &l); err != nil {
				return err
			}
			all = append(all, l)
			return nil
		})
	})
	return all, err
}

// Hold waits until nothing is being sent and holds back what comes, until resume is called.
func (o *Outside) Hold() (resume func()) {
	o.road <- struct{}{}
	return sync.OnceFunc(func() { <-o.road })
}

// Run sends what is queued until ctx ends.
func (o *Outside) Run(ctx context.Context) error {
	for {
		next := o.due(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-o.wake:
		case <-time.After(next):
		}
	}
}

// due tries every letter whose time has come and returns how long the next one has.
func (o *Outside) due(ctx context.Context) time.Duration {
	o.mu.Lock()
	letters := make([]*Letter, 0, len(o.pending))
	for _, l := range o.pending {
		letters = append(letters, l)
	}
	o.mu.Unlock()
	slices.SortFunc(letters, func(a, b *Letter) int { return a.Queued.Compare(b.Queued) })
	wait := time.Minute
	for _, l := range letters {
		if until := time.Until(l.Next); until > 0 {
			wait = min(wait, until)
			continue
		}
		select {
		case o.road <- struct{}{}:
		case <-ctx.Done():
			return 0
		}
		err := o.try(ctx, l)
		<-o.road
		if err != nil {
			o.Log.Warn("a message from outside is tried again", "id", l.ID, "to", l.To, "error", err)
			wait = min(wait, o.Retry)
		}
	}
	return wait
}

// try sends one letter, and stores what it is about to do before it does it.
func (o *Outside) try(ctx context.Context, l *Letter) error {
	// A try that was cut short may have been taken: until its server answers, no other may be asked.
	host, uncertain := l.Host, l.Trying
	if !uncertain {
		var err error
		if host, err = o.exchanger(ctx, l.To); err != nil {
			return o.later(l, err)
		}
	}
	l.Host, l.Trying, l.Tries = host, true, l.Tries+1
	if err := o.save(l); err != nil {
		return err
	}
	answer, sent, err := o.send(ctx, l)
	var refusal *smtp.SMTPError
	switch {
	case errors.As(err, &refusal) && refusal.Code >= 500:
		l.Bounced, l.Trying, l.Answer = true, false, refusal.Error()
		o.Log.Warn("a message from outside was refused", "id", l.ID, "to", l.To, "host", host, "answer", refusal)
	case err != nil:
		// Only where the server has surely not taken it the next try may go elsewhere.
		l.Trying = uncertain || sent && !errors.As(err, &refusal)
		return o.later(l, err)
	default:
		l.Delivered, l.Trying, l.Answer = time.Now().UTC(), false, answer
		o.Log.Info("mail from outside", "id", l.ID, "to", l.To, "host", host)
	}
	if err := o.save(l); err != nil {
		return err
	}
	o.mu.Lock()
	delete(o.pending, l.ID)
	o.mu.Unlock()
	return nil
}

func (o *Outside) later(l *Letter, cause error) error {
	l.Next, l.Answer = time.Now().Add(o.Retry), cause.Error()
	return errors.Join(cause, o.save(l))
}

func (o *Outside) save(l *Letter) error {
	value, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return o.DB.Update(func(tx *bbolt.Tx) error { return tx.Bucket(letterBucket).Put([]byte(l.ID), value) })
}

// exchanger is the first mail exchanger of the recipient's domain that can be reached in this world.
func (o *Outside) exchanger(ctx context.Context, to string) (string, error) {
	domain := to[strings.LastIndexByte(to, '@')+1:]
	hosts, err := o.Exchangers(ctx, domain)
	if err != nil {
		return "", err
	}
	for _, host := range hosts {
		if _, known := o.Route(host); known {
			return host, nil
		}
	}
	return "", fmt.Errorf("none of the mail exchangers of %q can be reached: %s", domain, strings.Join(hosts, ", "))
}

// send hands the letter over. Sent is true once the server had all of it: from there on, silence may mean that it has
// taken it.
func (o *Outside) send(ctx context.Context, l *Letter) (answer string, sent bool, err error) {
	address, _ := o.Route(l.Host)
	secure := o.TLS.Clone()
	secure.ServerName = l.Host
	dialer := net.Dialer{Timeout: 10 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return "", false, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	client, err := smtp.NewClientStartTLS(conn, secure)
	if err != nil {
		return "", false, err
	}
	client.CommandTimeout, client.SubmissionTimeout = 10*time.Second, 30*time.Second
	if err := client.Hello(o.Name); err != nil {
		return "", false, err
	}
	if err := client.Mail(l.From, &smtp.MailOptions{EnvelopeID: l.ID}); err != nil {
		return "", false, err
	}
	if err := client.Rcpt(l.To, nil); err != nil {
		return "", false, err
	}
	data, err := client.Data()
	if err != nil {
		return "", false, err
	}
	if _, err := bytes.NewReader(l.Body).WriteTo(data); err != nil {
		return "", true, err
	}
	response, err := data.CloseWithResponse()
	if err != nil {
		return "", true, err
	}
	_ = client.Quit()
	return response.StatusText, true, nil
}
