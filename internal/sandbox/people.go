package sandbox

import (
	"fmt"
	"strings"
)

// Account is one user on both sides.
type Account struct {
	// Address is the mailbox's on both sides.
	Address, DisplayName, Language string
	// User and Password sign in at the source.
	User, Password string
}

// names are the people of the world; after the last one they come again with a number.
var names = []struct{ local, display, language string }{
	{"ada", "Ada Okafor", "en"},
	{"bruno", "Bruno Müller", "de"},
	{"chloe", "Chloé Lefèvre", "fr"},
	{"dmitri", "Dmitri Волков", "en"},
	{"emi", "Emi 田中", "en"},
	{"fatima", "Fatima al-Sayed", "en"},
	{"gwen", "Gwen O'Hara", "en"},
	{"hugo", "Hugo Ångström", "de"},
	{"ines", "Inês Carvalho", "en"},
	{"jonas", "Jonas Weiß", "de"},
}

// accounts deals the people out over the domains.
func (w *World) accounts() []Account {
	list := make([]Account, 0, w.options.Mailboxes)
	for i := range w.options.Mailboxes {
		person := names[i%len(names)]
		local, display := person.local, person.display
		if round := i / len(names); round > 0 {
			local, display = fmt.Sprintf("%s%d", local, round+1), fmt.Sprintf("%s %d", display, round+1)
		}
		address := local + "@" + w.options.Domains[i%len(w.options.Domains)]
		list = append(list, Account{
			Address: address, DisplayName: display, Language: person.language,
			User: address, Password: w.secrets.password("mailbox/" + address),
		})
	}
	return list
}

// Accounts lists the users, for whoever wants to sign in at the source; the target is opened by token alone.
func (w *World) Accounts() []Account { return append([]Account(nil), w.people...) }

// account finds a user by address or by the part before the @ where that is enough.
func (w *World) account(name string) (Account, bool) {
	name = strings.ToLower(name)
	for _, a := range w.people {
		local, _, _ := strings.Cut(a.Address, "@")
		if a.Address == name || local == name && len(w.options.Domains) == 1 {
			return a, true
		}
	}
	return Account{}, false
}
