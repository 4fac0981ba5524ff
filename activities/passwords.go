package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/mailferry/mailferry/internal/migration"
)

// FirstPassword is a created user's first password, sealed.
type FirstPassword struct {
	Address  string           `json:"address"`
	Password migration.Sealed `json:"password"`
}

// HandOutInput names the first passwords that a person is to have.
type HandOutInput struct {
	Scope   Scope  `json:"scope"`
	Archive string `json:"archive"`
	// Wave and Number name the handing out: the same number is the same one.
	Wave   string `json:"wave"`
	Number int    `json:"number"`
	// To gets them, By asked for them, and Reason is why.
	To     string `json:"to"`
	By     string `json:"by"`
	Reason string `json:"reason,omitempty"`
	// Key is the public half of the one-time key to seal them to.
	Key       string          `json:"key"`
	Passwords []FirstPassword `json:"passwords"`
}

// HandOutOutput has the passwords in the same order, sealed to the one-time key.
type HandOutOutput struct {
	Passwords []FirstPassword `json:"passwords"`
}

// HandedOut is the archive's record of a handing out. It has no secret.
type HandedOut struct {
	At        time.Time `json:"at"`
	To        string    `json:"to"`
	By        string    `json:"by"`
	Reason    string    `json:"reason,omitempty"`
	Wave      string    `json:"wave"`
	Addresses []string  `json:"addresses"`
}

// HandOut seals first passwords anew, to a person's one-time key, and keeps on record who has them as
// <tenant>/<launch>/passwords/<wave>-<number>.json before it returns any. No password is in the clear but inside this call.
func (a *Activities) HandOut(ctx context.Context, in HandOutInput) (HandOutOutput, error) {
	return single(ctx, a, func(ctx context.Context) (HandOutOutput, error) { return a.handOut(ctx, in) })
}

func (a *Activities) handOut(ctx context.Context, in HandOutInput) (HandOutOutput, error) {
	record := HandedOut{At: time.Now().UTC(), To: in.To, By: in.By, Reason: in.Reason, Wave: in.Wave}
	var out HandOutOutput
	for _, p := range in.Passwords {
		sealed, err := a.Passwords.Reseal(p.Password, in.Key, "the first password of "+p.Address)
		if err != nil {
			return HandOutOutput{}, err
		}
		out.Passwords = append(out.Passwords, FirstPassword{p.Address, sealed})
		record.Addresses = append(record.Addresses, p.Address)
	}
	content, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return HandOutOutput{}, fmt.Errorf("encoding the record of a handing out: %w", err)
	}
	name := fmt.Sprintf("%spasswords/%s-%d.json", in.Scope.folder(), fileName(in.Wave), in.Number)
	return out, a.Archive.Put(ctx, in.Archive, name, content)
}
