package activities

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/mailferry/mailferry/internal/migration"
)

// Reports writes a report's files (internal/report).
type Reports interface {
	// Names are the files of a report, in the order in which they are to be written.
	Names() []string
	// Write writes one of them. The mailboxes' accounts are gone through one by one, as often as it takes.
	Write(w io.Writer, name string, r migration.Report, accounts iter.Seq2[migration.MailboxAccount, error]) error
}

// ArchiveAuditInput is a part of an audit trail to keep. Wave is empty for the tenant's own trail.
type ArchiveAuditInput struct {
	Scope   Scope                  `json:"scope"`
	Archive string                 `json:"archive"`
	Wave    string                 `json:"wave,omitempty"`
	Entries []migration.AuditEntry `json:"entries"`
}

// ArchiveReportInput is a tenant's closing report to keep: all of it but the mailboxes, and of the audit trail what isn't
// in the archive yet. Its Waves name the waves in the plan's order.
type ArchiveReportInput struct {
	Scope   Scope            `json:"scope"`
	Archive string           `json:"archive"`
	Report  migration.Report `json:"report"`
}

// ArchiveReportOutput names what was written. The last file is SHA256SUMS, whose hash stands for the whole archive.
type ArchiveReportOutput struct {
	Files []ArchivedFile `json:"files"`
	// Missing is how many mailboxes left no account in the archive.
	Missing int `json:"missing,omitempty"`
}

// ArchivedFile is a file of a closing report.
type ArchivedFile struct {
	// Name is the file's name in the archive.
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// ArchiveAudit keeps a part of an audit trail, so that the workflow need not carry it on.
func (a *Activities) ArchiveAudit(ctx context.Context, in ArchiveAuditInput) error {
	if len(in.Entries) == 0 {
		return nil
	}
	content, err := json.MarshalIndent(in.Entries, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding an audit trail: %w", err)
	}
	// A retry writes the same entries under the same name.
	name := fmt.Sprintf("%s%010d.json", in.Scope.auditFolder(in.Wave), in.Entries[0].Number)
	return alone(ctx, a, func(ctx context.Context) error { return a.Archive.Put(ctx, in.Archive, name, content) })
}

// sums is the file with the hashes of all others of a launch, as sha256sum writes it.
const sums = "SHA256SUMS"

// ArchiveReport keeps a tenant's closing report as <tenant>/<launch>/report.html, report.txt, report.json and tables. It
// adds the accounts of all mailboxes and the audit trails that the archive holds. When all else is there it writes the
// hashes of all files of the launch to SHA256SUMS: an archive without it isn't whole.
func (a *Activities) ArchiveReport(ctx context.Context, in ArchiveReportInput) (ArchiveReportOutput, error) {
	return single(ctx, a, func(ctx context.Context) (ArchiveReportOutput, error) { return a.archiveReport(ctx, in) })
}

func (a *Activities) archiveReport(ctx context.Context, in ArchiveReportInput) (ArchiveReportOutput, error) {
	report := in.Report
	names, err := a.Archive.List(ctx, in.Archive, in.Scope.folder()+mailboxFolder)
	if err != nil {
		return ArchiveReportOutput{}, fmt.Errorf("listing the archive's mailboxes: %w", err)
	}
	accounts := a.accounts(ctx, in.Archive, names)
	report.Account, report.Refusals = migration.Account{}, 0
	for m, err := range accounts {
		if err != nil {
			return ArchiveReportOutput{}, err
		}
		report.Account.Add(m.Account)
		report.Refusals += m.RefusalCount
	}
	report.Total = max(report.Total, len(names))
	report.Missing = report.Total - len(names)
	if report.Audit, err = a.trail(ctx, in, "", report.Audit); err != nil {
		return ArchiveReportOutput{}, err
	}
	for i := range report.Waves {
		if report.Waves[i].Audit, err = a.trail(ctx, in, report.Waves[i].Wave, nil); err != nil {
			return ArchiveReportOutput{}, err
		}
	}
	out := ArchiveReportOutput{Missing: report.Missing}
	var list bytes.Buffer
	for _, name := range a.Reports.Names() {
		file, err := a.put(ctx, in.Archive, in.Scope.folder()+name, func(w io.Writer) error {
			return a.Reports.Write(w, name, report, accounts)
		})
		if err != nil {
			return out, err
		}
		out.Files = append(out.Files, file)
		fmt.Fprintf(&list, "%s  %s\n", file.SHA256, name)
	}
	if err := a.sum(ctx, &list, in); err != nil {
		return out, err
	}
	file, err := a.put(ctx, in.Archive, in.Scope.folder()+sums, func(w io.Writer) error {
		_, err := list.WriteTo(w)
		return err
	})
	if err != nil {
		return out, err
	}
	out.Files = append(out.Files, file)
	return out, nil
}

// sum adds the hashes of what was in the archive before the report.
func (a *Activities) sum(ctx context.Context, list *bytes.Buffer, in ArchiveReportInput) error {
	folder := in.Scope.folder()
	names, err := a.Archive.List(ctx, in.Archive, folder)
	if err != nil {
		return fmt.Errorf("listing the archive: %w", err)
	}
	for _, name := range names {
		below := strings.TrimPrefix(name, folder)
		if !strings.Contains(below, "/") {
			continue // of the report, or of an earlier attempt at it
		}
		content, err := a.Archive.Get(ctx, in.Archive, name)
		if err != nil {
			return fmt.Errorf("reading %q back from the archive: %w", name, err)
		}
		fmt.Fprintf(list, "%x  %s\n", sha256.Sum256(content), below)
	}
	return nil
}

// put writes a file to the archive and says what it holds.
func (a *Activities) put(ctx context.Context, archive, name string, write func(io.Writer) error) (ArchivedFile, error) {
	file := ArchivedFile{Name: name}
	err := a.Archive.Write(ctx, archive, name, func(w io.Writer) error {
		sum := sha256.New()
		counted := &counter{w: io.MultiWriter(w, sum)}
		err := write(counted)
		file.Bytes, file.SHA256 = counted.n, hex.EncodeToString(sum.Sum(nil))
		return err
	})
	return file, err
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// accounts reads the archive's mailboxes one by one, in the order of their names.
func (a *Activities) accounts(ctx context.Context, archive string, names []string) iter.Seq2[migration.MailboxAccount, error] {
	return func(yield func(migration.MailboxAccount, error) bool) {
		for _, name := range names {
			var kept ArchivedMailbox
			err := a.load(ctx, archive, name, "a mailbox's account", &kept)
			if !yield(kept.Account, err) || err != nil {
				return
			}
		}
	}
}

// trail is a whole audit trail: the parts that are in the archive, and behind them the rest.
func (a *Activities) trail(ctx context.Context, in ArchiveReportInput, wave string, rest []migration.AuditEntry) ([]migration.AuditEntry, error) {
	names, err := a.Archive.List(ctx, in.Archive, in.Scope.auditFolder(wave))
	if err != nil {
		return nil, fmt.Errorf("listing the archive's audit trails: %w", err)
	}
	var whole []migration.AuditEntry
	add := func(entries []migration.AuditEntry) {
		for _, e := range entries {
			n := len(whole)
			if n > 0 && e.Number <= whole[n-1].Number {
				continue // written before the workflow let go of it
			}
			if n > 0 && e.Number == whole[n-1].Number+1 {
				e.Before = "" // it stands right behind the one before now
			}
			whole = append(whole, e)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		var entries []migration.AuditEntry
		if err := a.load(ctx, in.Archive, name, "a part of an audit trail", &entries); err != nil {
			return nil, err
		}
		add(entries)
	}
	add(rest)
	return whole, nil
}

// load reads JSON back from the archive.
func (a *Activities) load(ctx context.Context, archive, name, what string, into any) error {
	content, err := a.Archive.Get(ctx, archive, name)
	if err != nil {
		return fmt.Errorf("reading %q back from the archive: %w", name, err)
	}
	if err := json.Unmarshal(content, into); err != nil {
		return migration.NeedsPerson("archive-broken", fmt.Sprintf("%q in the archive is not %s: %v", name, what, err),
			"take the file away or restore it, and retry the step", nil)
	}
	return nil
}

// auditFolder holds the audit trail of a wave, or of the tenant.
func (s Scope) auditFolder(wave string) string {
	if wave == "" {
		return s.folder() + "audit/tenant/"
	}
	return s.folder() + "audit/waves/" + fileName(wave) + "/"
}
