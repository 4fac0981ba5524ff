package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mailferry/mailferry/internal/operator/show"
	"github.com/mailferry/mailferry/workflows"
)

// decision is what a person says at the gate: to what, by its digest, who, and with what note.
type decision struct {
	signature
	digest string
}

func (d *decision) flags(cmd *cobra.Command, digest, note string) {
	cmd.Flags().StringVar(&d.digest, "digest", "", digest)
	d.signature.flags(cmd, "note", note)
}

func (d *decision) read(cmd *cobra.Command) (workflows.Decision, error) {
	if err := required(cmd, "digest"); err != nil {
		return workflows.Decision{}, err
	}
	by, err := d.name()
	return workflows.Decision{Digest: d.digest, By: by, Note: d.reason}, err
}

func (s *starter) approve() *cobra.Command {
	var d decision
	cmd := &cobra.Command{
		Use:     "approve TENANT --digest DIGEST",
		GroupID: "decide",
		Short:   "approve the change of the MX record",
		Long: `Approve the cutover that waits at the gate: the change of the MX record of the tenant's domains, by
which new mail goes to Microsoft 365. The digest names exactly what is approved (the records before
and after, the order of the domains, the mailboxes accepted as not verified); starter status shows
it together with all of that. When anything of it changes, the digest does too.

What is approved is compared with the zone once more before it is changed. Any difference goes back
to the gate. It needs a running worker, which answers at once.`,
		Example: `  starter status contoso
  starter approve contoso --digest 4f1d2c0e9a6b3d785512 --by "Grace Hopper" --note "agreed in the change board"`,
		Args: oneTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			decided, err := d.read(cmd)
			if err != nil {
				return err
			}
			return s.with(cmd, func(l link) error {
				status, err := l.Status(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				result, err := l.Approve(cmd.Context(), args[0], decided)
				if err != nil {
					return err
				}
				out := cmd.OutOrStdout()
				fmt.Fprintf(out, "approved by %s at %s: %s\n", decided.By, clock(result.At), result.Digest)
				if status.Gate != nil && status.Gate.Digest == result.Digest && len(status.Gate.Changes) > 0 {
					fmt.Fprintln(out, "what is changed now:")
					return show.Changes(out, status.Gate.Changes, s.look(out))
				}
				return nil
			})
		},
	}
	d.flags(cmd, "the digest of what is approved, as status shows it", "a note to the approval; recorded and shown")
	return cmd
}

func (s *starter) reject() *cobra.Command {
	var d decision
	cmd := &cobra.Command{
		Use:     "reject TENANT --digest DIGEST",
		GroupID: "decide",
		Short:   "reject the change of the MX record as it stands at the gate",
		Long: `Reject the cutover that waits at the gate, by its digest. Nothing is changed in the DNS; the migration
goes on copying, and status shows how to come to the gate again.

The rejection is recorded by the server even while no worker runs.`,
		Example: `  starter reject contoso --digest 4f1d2c0e9a6b3d785512 --note "not before the trade fair"`,
		Args:    oneTenant,
		RunE: func(cmd *cobra.Command, args []string) error {
			decided, err := d.read(cmd)
			if err != nil {
				return err
			}
			return s.with(cmd, func(l link) error {
				order := told{args[0], args[0], workflows.SignalReject, decided.By, fmt.Sprintf("rejection of %s by %s", decided.Digest, decided.By)}
				return s.tell(cmd, l, order, func() error {
					return l.Reject(cmd.Context(), args[0], decided)
				})
			})
		},
	}
	d.flags(cmd, "the digest of what is rejected, as status shows it", "why; recorded and shown")
	return cmd
}
