package mailcopy

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// use is what a folder is for (RFC 6154), as the attribute in lower case.
type use string

const (
	useNone    use = ""
	useInbox   use = "inbox"
	useSent    use = `\sent`
	useDrafts  use = `\drafts`
	useTrash   use = `\trash`
	useJunk    use = `\junk`
	useArchive use = `\archive`
	// The views: folders that show what lies elsewhere.
	useFlagged   use = `\flagged`
	useImportant use = `\important`
)

// uses are those that are mapped to the target's own, in the order in which a folder's names are looked up.
var uses = []use{useSent, useDrafts, useTrash, useJunk, useArchive}

// useNames are the names that mail programs and servers give to special folders, in the languages that we know them in,
// folded as foldName does. They are looked at where no attribute tells.
var useNames = map[use][]string{
	useSent: {
		"sent", "sent items", "sent messages", "sent mail", "sent-mail", "sentmail", "outgoing", "gesendet", "gesendete objekte", "gesendete elemente",
		"gesendete nachrichten", "objets envoyés", "éléments envoyés", "messages envoyés", "envoyés", "courrier envoyé", "enviados", "elementos enviados",
		"mensajes enviados", "correo enviado", "itens enviados", "mensagens enviadas", "posta inviata", "inviata", "inviati", "elementi inviati", "messaggi inviati",
		"verzonden", "verzonden items", "verzonden berichten", "verzonden objecten", "skickat", "skickade objekt", "skickade meddelanden", "sendt", "sendte elementer",
		"sendt post", "sendte beskeder", "lähetetyt", "lähetetyt viestit", "wysłane", "elementy wysłane", "wysłane wiadomości", "odeslané", "odeslaná pošta", "odoslané",
		"odoslaná pošta", "elküldött", "elküldött elemek", "elküldött üzenetek", "trimise", "elemente trimise", "отправленные", "надіслані", "изпратени",
		"gönderilmiş", "gönderilmiş öğeler", "gönderilenler", "απεσταλμένα", "σταλμένα", "enviats", "elements enviats", "送信済み", "送信済みアイテム", "送信済みメール",
		"已发送", "已发送邮件", "已发送项目", "寄件備份", "寄件匣備份", "보낸 편지함", "보낸편지함", "פריטים שנשלחו", "נשלחו", "العناصر المرسلة", "poslano", "poslati elementi",
	},
	useDrafts: {
		"drafts", "draft", "entwürfe", "brouillons", "borradores", "rascunhos", "bozze", "concepten", "utkast", "kladder", "luonnokset", "wersje robocze", "szkice",
		"koncepty", "rozepsané", "rozpísané", "piszkozatok", "ciorne", "schițe", "черновики", "чернетки", "чернови", "taslaklar", "πρόχειρα", "esborranys",
		"下書き", "草稿", "草稿箱", "임시 보관함", "임시보관함", "טיוטות", "المسودات", "skice", "nacrti", "osnutki",
	},
	useTrash: {
		"trash", "deleted", "deleted items", "deleted messages", "deleted-messages", "bin", "wastebasket", "papierkorb", "gelöscht", "gelöschte objekte",
		"gelöschte elemente", "gelöschte nachrichten", "corbeille", "éléments supprimés", "messages supprimés", "papelera", "elementos eliminados",
		"mensajes eliminados", "eliminados", "lixeira", "lixo", "itens excluídos", "itens eliminados", "cestino", "posta eliminata", "elementi eliminati", "prullenbak",
		"prullenmand", "verwijderde items", "verwijderd", "papperskorgen", "borttaget", "borttagna objekt", "papirkurv", "slettede elementer", "slettet post",
		"slettet", "roskakori", "poistetut", "kosz", "elementy usunięte", "koš", "odstraněná pošta", "odstránené položky", "kôš", "kuka", "lomtár", "törölt elemek",
		"coș de gunoi", "elemente șterse", "корзина", "удаленные", "удалённые", "кошик", "видалені", "кошче", "çöp kutusu", "silinmiş öğeler", "silinmiş",
		"κάδος απορριμμάτων", "διαγραμμένα", "paperera", "elements suprimits", "ごみ箱", "削除済みアイテム", "已删除", "已删除邮件", "已删除项目", "垃圾桶", "刪除的郵件", "휴지통",
		"지운 편지함", "אשפה", "פריטים שנמחקו", "العناصر المحذوفة", "smeće", "kanta",
	},
	useJunk: {
		"junk", "junk email", "junk e-mail", "junk mail", "spam", "bulk mail", "bulk", "junk-e-mail", "unerwünscht", "werbung", "spamverdacht", "courrier indésirable",
		"indésirables", "pourriel", "pourriels", "correo no deseado", "no deseado", "correo basura", "lixo eletrônico", "lixo eletrónico", "correio eletrónico não solicitado",
		"posta indesiderata", "indesiderata", "ongewenste e-mail", "ongewenst", "skräppost", "søppelpost", "uønsket e-mail", "uønsket post", "roskaposti",
		"wiadomości-śmieci", "nevyžádaná pošta", "nevyžiadaná pošta", "levélszemét", "mesaje nedorite", "e-mail nedorit", "спам", "нежелательная почта", "небажана пошта",
		"нежелана поща", "gereksiz", "gereksiz e-posta", "istenmeyen", "ανεπιθύμητα", "ανεπιθύμητη αλληλογραφία", "correu brossa", "迷惑メール", "垃圾邮件", "垃圾郵件",
		"정크 메일", "스팸메일함", "스팸", "דואר זבל", "البريد غير الهام", "neželena pošta",
	},
	useArchive: {
		"archive", "archives", "archiv", "archivo", "archivio", "arquivo", "archief", "arkiv", "arkisto", "archiwum", "archív", "archívum", "arhivă", "архив", "архів",
		"arşiv", "αρχείο", "arxiu", "アーカイブ", "存档", "封存", "보관", "ארכיון", "الأرشيف", "arhiv",
	},
}

// notMail are names of folders in Exchange that hold no mail, in languages that we know them in; mail put into them is
// lost to sight.
var notMail = []string{
	"calendar", "kalender", "calendrier", "calendario", "calendário", "agenda", "kalenteri", "kalendarz", "kalendář", "kalendár", "naptár", "календарь", "takvim", "予定表", "日历",
	"contacts", "kontakte", "contactos", "contatti", "contatos", "contactpersonen", "kontakter", "yhteystiedot", "kontakty", "névjegyek", "контакты", "kişiler", "連絡先", "联系人",
	"tasks", "aufgaben", "tâches", "tareas", "tarefas", "attività", "taken", "uppgifter", "opgaver", "oppgaver", "tehtävät", "zadania", "úkoly", "úlohy", "feladatok", "задачи", "görevler", "タスク", "任务",
	"notes", "notizen", "notas", "note", "notities", "anteckningar", "noter", "notater", "muistilaput", "notatki", "poznámky", "feljegyzések", "заметки", "notlar", "メモ", "便笺",
	"journal", "diario", "diário", "logboek", "dagbok", "päiväkirja", "dziennik", "deník", "denník", "napló", "дневник", "günlük", "履歴", "日记",
	"outbox", "postausgang", "boîte d'envoi", "bandeja de salida", "caixa de saída", "posta in uscita", "postvak uit", "utkorgen", "udbakke", "utboks", "lähtevät", "skrzynka nadawcza",
	"pošta k odeslání", "pošta na odoslanie", "postázandó üzenetek", "исходящие", "giden kutusu", "送信トレイ", "发件箱",
	"sync issues", "synchronisierungsprobleme", "problèmes de synchronisation", "problemas de sincronización", "problemi di sincronizzazione", "synchronisatieproblemen",
}

// foldName makes names comparable: one normal form, lower case, no blanks around.
func foldName(name string) string {
	return strings.ToLower(norm.NFC.String(strings.TrimSpace(name)))
}

// useByName and isNotMail are the tables the other way round.
var (
	useByName = func() map[string]use {
		names := map[string]use{}
		for _, u := range uses {
			for _, name := range useNames[u] {
				if _, taken := names[foldName(name)]; !taken {
					names[foldName(name)] = u
				}
			}
		}
		return names
	}()
	isNotMail = func() map[string]bool {
		names := map[string]bool{}
		for _, name := range notMail {
			names[foldName(name)] = true
		}
		return names
	}()
)

// attributeUse is the use that a folder's attributes tell.
func attributeUse(f *folder) use {
	for _, attribute := range f.attributes {
		switch u := use(attribute); u {
		case useSent, useDrafts, useTrash, useJunk, useArchive, useFlagged, useImportant:
			return u
		}
	}
	return useNone
}
