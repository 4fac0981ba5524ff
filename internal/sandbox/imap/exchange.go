package imap

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"unicode/utf16"

	"github.com/mailferry/mailferry/internal/sandbox/store"
)

// Generation is which of its two front ends a tenant of Exchange Online meets.
type Generation int

// Classic is the front end of many years; Proxy the one that some tenants have met since autumn 2026.
const (
	Classic Generation = iota
	Proxy
)

var (
	exchangeBefore = strings.Fields(`IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN IDLE
		NAMESPACE LITERAL+`)
	exchangeAfter = strings.Fields(`IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE
		NAMESPACE LITERAL+ CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE`)
	proxyBefore = strings.Fields(`IMAP4 IMAP4rev1 AUTH=XOAUTH2 LOGINDISABLED SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE
		NAMESPACE LITERAL+`)
	proxyAfter = strings.Fields(`IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR ENABLE IMAP4rev2 UIDPLUS MOVE ID UNSELECT CHILDREN IDLE
		NAMESPACE LITERAL+ CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE BACKENDAUTHENTICATE-IR`)
)

// ExchangeOnline is a target like Microsoft's. Everything that makes copying to it hard is on, but for what only
// happens now and then (throttling) or isn't known well enough: new UIDs for flagged messages, invented Message-IDs,
// encoded header text.
func ExchangeOnline(g Generation) Dialect {
	d := Dialect{
		Greeting:  "The Microsoft Exchange IMAP4 service is ready. [" + serverName("AM0PR01CA0042.eurprd01.prod.exchangelabs.example") + "]",
		Before:    exchangeBefore,
		After:     exchangeAfter,
		Separator: "/",
		ID:        []string{"name", "Microsoft.Exchange.Imap4.Imap4Server", "version", "15.20"},
		Words: Words{
			Completed:    "%s completed.",
			SignInFailed: "%s failed.",
			SignInDone:   "%s completed.",
			NotConnected: "User is authenticated but not connected.",
			Unknown:      "Command Error. 12",
			Syntax:       "Command Argument Error. 11",
			Invalid:      "Command received in Invalid state.",
			TooLong:      "command line limit exceeded",
			NoFolder:     "[NONEXISTENT] The specified folder could not be found.",
			Exists:       "Mailbox already exists",
			Reserved:     "Folder name is reserved",
			TooLarge:     "Maximum size of appendable message has been exceeded",
			Refused:      "BAD Command Argument Error. 11",
			Throttled:    "NO Request is throttled. Suggested Backoff Time: %d milliseconds",
			Closed:       "Connection closed. 14",
			Expired:      "Session invalidated - AccessTokenExpired",
			Bye:          "Microsoft Exchange Server IMAP4 server signing off.",
			Idle:         "IDLE accepted, awaiting DONE command.",
		},
		Known:              []string{"$MDNSent"},
		ListUse:            true,
		FoldCase:           true,
		Reserved:           []string{"Files"},
		MakesParents:       true,
		TrimsNames:         true,
		MaxMessage:         36 << 20,
		MaxLine:            10_239,
		MaxCommand:         8 << 10,
		RefusesReadReports: true,
		UnsureFlagged:      true,
		EmptyCopyUID:       true,
		Rewrites:           Rewriting{On: true, BareLFHeader: true},
		SizeError:          7,
		MaxErrors:          10,
		MaxConnections:     20,
	}
	if g == Proxy {
		d.Greeting = "Microsoft Exchange IMAP4 service ready. 6f1c7d2e-0b5a-4c57-9a51-7b1c2f0a9d11 (tcpproxy/15.21.1 BACKENDAUTHENTICATE) [" +
			serverName("FR3P281CA0007") + "]"
		d.Before, d.After = proxyBefore, proxyAfter
	}
	return d
}

// serverName is base64 of a name in UTF-16LE, as Exchange's greeting has it.
func serverName(name string) string {
	var octets []byte
	for _, unit := range utf16.Encode([]rune(name)) {
		octets = binary.LittleEndian.AppendUint16(octets, unit)
	}
	return base64.StdEncoding.EncodeToString(octets)
}

// defaultFolder is a folder of a new Exchange mailbox: its use, what it holds where that isn't mail, and its name in
// English, German and French.
type defaultFolder struct {
	use, class              string
	english, german, french string
}

var defaultFolders = []defaultFolder{
	{"", "", "Archive", "Archiv", "Archive"},
	{"", "calendar", "Calendar", "Kalender", "Calendrier"},
	{"", "calendar", "Calendar/Birthdays", "Kalender/Geburtstage", "Calendrier/Anniversaires"},
	{"", "calendar", "Calendar/United States holidays", "Kalender/Feiertage in Deutschland", "Calendrier/Jours fériés - France"},
	{"", "contact", "Contacts", "Kontakte", "Contacts"},
	{"", "", "Conversation History", "Aufgezeichnete Unterhaltungen", "Historique des conversations"},
	{`\Trash`, "", "Deleted Items", "Gelöschte Elemente", "Éléments supprimés"},
	{`\Drafts`, "", "Drafts", "Entwürfe", "Brouillons"},
	{"", "journal", "Journal", "Journal", "Journal"},
	{`\Junk`, "", "Junk Email", "Junk-E-Mail", "Courrier indésirable"},
	{"", "note", "Notes", "Notizen", "Notes"},
	{"", "", "Outbox", "Postausgang", "Boîte d'envoi"},
	{"", "", "RSS Feeds", "RSS-Feeds", "Flux RSS"},
	{`\Sent`, "", "Sent Items", "Gesendete Elemente", "Éléments envoyés"},
	{"", "", "Sync Issues", "Synchronisierungsprobleme", "Problèmes de synchronisation"},
	{"", "", "Sync Issues/Conflicts", "Synchronisierungsprobleme/Konflikte", "Problèmes de synchronisation/Conflits"},
	{"", "", "Sync Issues/Local Failures", "Synchronisierungsprobleme/Lokale Fehler", "Problèmes de synchronisation/Défaillances locales"},
	{"", "", "Sync Issues/Server Failures", "Synchronisierungsprobleme/Serverfehler", "Problèmes de synchronisation/Défaillances du serveur"},
	{"", "task", "Tasks", "Aufgaben", "Tâches"},
}

// ExchangeFolders lists what a new mailbox of Exchange Online has beside INBOX, in a language: "en", "de" or "fr";
// anything else is English. All of them are subscribed.
func ExchangeFolders(language string) []store.FolderSpec {
	var folders []store.FolderSpec
	for _, f := range defaultFolders {
		name := f.english
		switch strings.ToLower(language) {
		case "de":
			name = f.german
		case "fr":
			name = f.french
		}
		folders = append(folders, store.FolderSpec{Name: name, SpecialUse: f.use, Class: f.class, Subscribed: true})
	}
	return folders
}
