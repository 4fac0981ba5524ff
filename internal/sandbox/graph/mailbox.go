package graph

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Provision makes the mailboxes that are due. It is called by whatever could notice one, and may be called at any time.
func (s *Server) Provision() {
	now := s.Now().UTC()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.state.users {
		if u.MailboxMade || u.MailboxDue.IsZero() || now.Before(u.MailboxDue) {
			continue
		}
		if err := s.MakeMailbox(fold(u.Name)); err != nil {
			s.Log.Error("a mailbox could not be made", "address", u.Name, "error", err)
			continue
		}
		made := *u
		made.MailboxMade = true
		if err := s.putUser(&made); err != nil {
			s.Log.Error("a mailbox could not be recorded", "address", u.Name, "error", err)
			continue
		}
		s.Log.Info("mailbox made", "address", u.Name)
	}
}

// opens reports whether IMAP lets the app into the user's mailbox now. The caller holds the lock.
func (s *Server) opens(u *user) bool {
	now := s.Now()
	ready := u.MailboxDue.Add(s.Delays.IMAP)
	if now.Before(ready) {
		return false
	}
	return !u.Granted.IsZero() || s.Delays.Grant >= 0 && !now.Before(ready.Add(s.Delays.Grant))
}

// Grant is the administrator's script for one mailbox: full access for the app (Add-MailboxPermission), and IMAP on
// where the plan leaves it off (Set-CASMailbox). The mailbox must exist.
func (s *Server) Grant(address string) error {
	s.Provision()
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.state.byName[fold(address)]
	if u == nil || !u.MailboxMade {
		return fmt.Errorf("the operation couldn't be performed because object %q couldn't be found", address)
	}
	granted := *u
	granted.Granted, granted.IMAPOff = s.Now().UTC(), false
	return s.putUser(&granted)
}

// Revoke takes the permission away. It has no effect on a mailbox that the clock has granted.
func (s *Server) Revoke(address string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.state.byName[fold(address)]
	if u == nil {
		return fmt.Errorf("the operation couldn't be performed because object %q couldn't be found", address)
	}
	revoked := *u
	revoked.Granted = time.Time{}
	return s.putUser(&revoked)
}

// Adopt puts a user there who was in the tenant before anything began: licensed with the SKU part number through a
// group, the mailbox ready. A user of that name stays as it is.
func (s *Server) Adopt(address, displayName, location, part string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	item, known := catalogue[part]
	if s.state.byName[fold(address)] != nil || !known {
		return nil
	}
	now := s.Now().UTC()
	local, _, _ := strings.Cut(address, "@")
	u := &user{
		ID: uuid.NewString(), Name: address, DisplayName: displayName, Nickname: local, Enabled: true, Location: location,
		LocationSince: now.Add(-s.Delays.UsageLocation), Created: now.Add(-s.Delays.Replication),
		Licences: []licence{{SKU: item.id, Group: uuid.NewString(), At: now}},
	}
	s.startMailbox(u, now.Add(-s.Delays.Mailbox))
	return s.putUser(u)
}

// Accepts reports whether the tenant takes mail for the domain.
func (s *Server) Accepts(domain string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.state.domains[fold(domain)]
	return d != nil && d.Verified
}

// Recipient reports whether the address has a mailbox.
func (s *Server) Recipient(address string) bool {
	s.Provision()
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.state.byName[fold(address)]
	return u != nil && u.MailboxMade
}

// mailboxOf finds the user of the path and refuses as Graph does while there is no mailbox.
func (s *Server) mailboxOf(r *request) (*user, error) {
	u, err := s.seen(r)
	if err != nil {
		return nil, err
	}
	if !u.MailboxMade {
		return nil, &apiError{http.StatusNotFound, "MailboxNotEnabledForRESTAPI", "The mailbox is either inactive, soft-deleted, or is hosted on-premise.", nil, 0}
	}
	return u, nil
}

func (s *Server) mailboxSettings(r *request) (reply, error) {
	s.Provision()
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.mailboxOf(r)
	if err != nil {
		return reply{}, err
	}
	language := u.Language
	if language == "" {
		language = "en-US"
	}
	return reply{http.StatusOK, map[string]any{
		"@odata.context": s.context("users('" + u.ID + "')/mailboxSettings"), "archiveFolder": nil, "timeZone": "UTC",
		"dateFormat": "yyyy-MM-dd", "timeFormat": "HH:mm", "userPurpose": "user",
		"delegateMeetingMessageDeliveryOptions": "sendToDelegateOnly",
		"automaticRepliesSetting":               map[string]any{"status": "disabled", "externalAudience": "all"},
		"language":                              map[string]any{"locale": language, "displayName": language},
	}}, nil
}

func (s *Server) inbox(r *request) (reply, error) {
	s.Provision()
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.mailboxOf(r)
	if err != nil {
		return reply{}, err
	}
	total, unread := 0, 0
	if s.CountInbox != nil {
		total, unread = s.CountInbox(fold(u.Name))
	}
	return reply{http.StatusOK, map[string]any{
		"@odata.context": s.context("users('" + u.ID + "')/mailFolders/$entity"), "id": "AQMk" + u.ID, "displayName": "Inbox",
		"parentFolderId": "AQMk" + s.Tenant.ID, "isHidden": false, "childFolderCount": 0,
		"totalItemCount": total, "unreadItemCount": unread,
	}}, nil
}
