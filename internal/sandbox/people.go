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

// names are the people of the world: given name, family name and that in ASCII. After the last one each given name is
// joined to the family names of the others, and after the last of those they come again with a number.
var names = []struct{ local, given, family, ascii, language string }{
	{"ada", "Ada", "Okafor", "okafor", "en"},
	{"bruno", "Bruno", "Müller", "mueller", "de"},
	{"chloe", "Chloé", "Lefèvre", "lefevre", "fr"},
	{"dmitri", "Dmitri", "Волков", "volkov", "en"},
	{"emi", "Emi", "田中", "tanaka", "en"},
	{"fatima", "Fatima", "al-Sayed", "al-sayed", "en"},
	{"gwen", "Gwen", "O'Hara", "ohara", "en"},
	{"hugo", "Hugo", "Ångström", "angstroem", "de"},
	{"ines", "Inês", "Carvalho", "carvalho", "en"},
	{"jonas", "Jonas", "Weiß", "weiss", "de"},
}

// person is who has the i-th mailbox: the part before the @, the name, and the language.
func person(i int) (local, display, language string) {
	who, round := names[i%len(names)], i/len(names)
	family := names[(i+round)%len(names)]
	local, display, language = who.local, who.given+" "+family.family, who.language
	if round > 0 {
		local += "." + family.ascii
	}
	if again := round / len(names); again > 0 {
		local, display = fmt.Sprintf("%s%d", local, again+1), fmt.Sprintf("%s %d", display, again+1)
	}
	return local, display, language
}

// accounts deals the people out over the domains.
func (w *World) accounts() []Account {
	list := make([]Account, 0, w.options.Mailboxes)
	for i := range w.options.Mailboxes {
		local, display, language := person(i)
		address := local + "@" + w.options.Domains[i%len(w.options.Domains)]
		list = append(list, Account{
			Address: address, DisplayName: display, Language: language,
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
