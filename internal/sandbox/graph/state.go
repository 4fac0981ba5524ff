package graph

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// The buckets. Values are JSON but for the key.
var (
	root       = []byte("graph")
	users      = []byte("users")      // id -> user
	domains    = []byte("domains")    // name -> domain
	principals = []byte("principals") // app id -> principal
	traces     = []byte("traces")     // sequence -> trace
	keyName    = []byte("key")        // PKCS #1
)

// state is the whole directory in memory; every change is in the database first.
type state struct {
	users      map[string]*user
	byName     map[string]*user
	domains    map[string]*domain
	principals map[string]*principal
	traces     []trace
}

// user is an account of the directory.
type user struct {
	ID             string    `json:"id"`
	Name           string    `json:"userPrincipalName"`
	DisplayName    string    `json:"displayName"`
	Nickname       string    `json:"mailNickname"`
	Given          string    `json:"givenName,omitempty"`
	Surname        string    `json:"surname,omitempty"`
	Language       string    `json:"preferredLanguage,omitempty"`
	Enabled        bool      `json:"accountEnabled"`
	Location       string    `json:"usageLocation,omitempty"`
	LocationSince  time.Time `json:"locationSince,omitzero"`
	Created        time.Time `json:"created"`
	Licences       []licence `json:"licences,omitempty"`
	MailboxDue     time.Time `json:"mailboxDue,omitzero"`
	MailboxMade    bool      `json:"mailboxMade,omitempty"`
	Granted        time.Time `json:"granted,omitzero"`
	IMAPOff        bool      `json:"imapOff,omitempty"`
	OnPremisesSync bool      `json:"onPremisesSync,omitempty"`
}

// licence is a subscription that a user has.
type licence struct {
	SKU      string    `json:"skuId"`
	Disabled []string  `json:"disabledPlans,omitempty"`
	Group    string    `json:"group,omitempty"`
	At       time.Time `json:"at"`
}

type domain struct {
	Name     string    `json:"name"`
	Digits   uint32    `json:"digits"`
	Verified bool      `json:"verified"`
	Initial  bool      `json:"initial,omitempty"`
	Services []string  `json:"services,omitempty"`
	Email    time.Time `json:"email,omitzero"`
}

type principal struct {
	ID      string    `json:"id"`
	App     string    `json:"appId"`
	Created time.Time `json:"created"`
}

// load reads the state, and makes the key and the initial domain at the first time.
func (s *Server) load() error {
	s.state = state{map[string]*user{}, map[string]*user{}, map[string]*domain{}, map[string]*principal{}, nil}
	err := s.DB.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(root)
		if err != nil {
			return err
		}
		for _, name := range [][]byte{users, domains, principals, traces} {
			if _, err := b.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		if s.key, err = loadKey(b); err != nil {
			return err
		}
		if err := each(b.Bucket(users), func(u *user) { s.state.users[u.ID], s.state.byName[fold(u.Name)] = u, u }); err != nil {
			return err
		}
		if err := each(b.Bucket(domains), func(d *domain) { s.state.domains[d.Name] = d }); err != nil {
			return err
		}
		if err := each(b.Bucket(principals), func(p *principal) { s.state.principals[p.App] = p }); err != nil {
			return err
		}
		return each(b.Bucket(traces), func(t *trace) { s.state.traces = append(s.state.traces, *t) })
	})
	if err != nil {
		return fmt.Errorf("reading the tenant from the database: %w", err)
	}
	if s.state.domains[s.Tenant.Initial] == nil {
		return s.putDomain(&domain{Name: s.Tenant.Initial, Verified: true, Initial: true, Services: []string{"Email"}, Email: s.Now().UTC()})
	}
	return nil
}

func loadKey(b *bbolt.Bucket) (*rsa.PrivateKey, error) {
	if stored := b.Get(keyName); stored != nil {
		return x509.ParsePKCS1PrivateKey(stored)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return key, b.Put(keyName, x509.MarshalPKCS1PrivateKey(key))
}

func each[T any](b *bbolt.Bucket, take func(*T)) error {
	return b.ForEach(func(key, value []byte) error {
		record := new(T)
		if err := json.Unmarshal(value, record); err != nil {
			return fmt.Errorf("record %q: %w", key, err)
		}
		take(record)
		return nil
	})
}

func (s *Server) put(bucket []byte, key string, record any) error {
	value, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return s.DB.Update(func(tx *bbolt.Tx) error { return tx.Bucket(root).Bucket(bucket).Put([]byte(key), value) })
}

// putUser stores a user; the caller holds the lock and has not changed the one in memory.
func (s *Server) putUser(u *user) error {
	if err := s.put(users, u.ID, u); err != nil {
		return err
	}
	if old := s.state.users[u.ID]; old != nil {
		delete(s.state.byName, fold(old.Name))
	}
	s.state.users[u.ID], s.state.byName[fold(u.Name)] = u, u
	return nil
}

func (s *Server) putDomain(d *domain) error {
	if err := s.put(domains, d.Name, d); err != nil {
		return err
	}
	s.state.domains[d.Name] = d
	return nil
}

func (s *Server) putPrincipal(p *principal) error {
	if err := s.put(principals, p.App, p); err != nil {
		return err
	}
	s.state.principals[p.App] = p
	return nil
}

// putTrace stores a trace once: the same message to the same recipient is one row.
func (s *Server) putTrace(t trace) error {
	for i := range s.state.traces {
		if s.state.traces[i].ID == t.ID && s.state.traces[i].Recipient == t.Recipient {
			return nil
		}
	}
	value, err := json.Marshal(t)
	if err != nil {
		return err
	}
	err = s.DB.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(root).Bucket(traces)
		n, err := b.NextSequence()
		if err != nil {
			return err
		}
		return b.Put(binary.BigEndian.AppendUint64(nil, n), value)
	})
	if err != nil {
		return err
	}
	s.state.traces = append(s.state.traces, t)
	return nil
}

// find returns the user with that id or name, or nil.
func (s *state) find(id string) *user {
	if u := s.users[strings.ToLower(id)]; u != nil {
		return u
	}
	return s.byName[fold(id)]
}

// sorted returns the users by name, so that pages are stable.
func (s *state) sorted() []*user {
	all := make([]*user, 0, len(s.users))
	for _, u := range s.users {
		all = append(all, u)
	}
	sort.Slice(all, func(i, j int) bool { return fold(all[i].Name) < fold(all[j].Name) })
	return all
}

func fold(name string) string { return strings.ToLower(name) }
