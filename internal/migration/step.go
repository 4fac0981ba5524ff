package migration

import "fmt"

// Step is one of the eleven steps of a migration, numbered from 1 as operators number them.
type Step int

// The eleven steps.
const (
	StepUsers Step = iota + 1
	StepSource
	StepAnnounce
	StepCredentials
	StepList
	StepConnect
	StepMigrate
	StepOptimise
	StepCutover
	StepRouting
	StepWelcome
)

var steps = [...]struct{ name, title string }{
	StepUsers:       {"users", "Add users, assign licences"},
	StepSource:      {"source", "Prepare the source, verify domains"},
	StepAnnounce:    {"announce", "Tell the users"},
	StepCredentials: {"credentials", "Credentials"},
	StepList:        {"list", "List of mailboxes"},
	StepConnect:     {"connect", "Connect"},
	StepMigrate:     {"migrate", "Migrate and verify"},
	StepOptimise:    {"optimise", "Optimise"},
	StepCutover:     {"cutover", "Change MX"},
	StepRouting:     {"routing", "Verify routing"},
	StepWelcome:     {"welcome", "Welcome and close"},
}

// Steps returns the eleven steps in order. The status, the details in the Web UI and the README's table follow it.
func Steps() []Step {
	all := make([]Step, 0, len(steps)-1)
	for s := StepUsers; s <= StepWelcome; s++ {
		all = append(all, s)
	}
	return all
}

// Valid reports whether s is one of the eleven.
func (s Step) Valid() bool { return s >= StepUsers && s <= StepWelcome }

// Name is the step's short name, as used in signals and on the command line.
func (s Step) Name() string {
	if !s.Valid() {
		return fmt.Sprintf("step-%d", int(s))
	}
	return steps[s].name
}

// Title is what people read.
func (s Step) Title() string {
	if !s.Valid() {
		return fmt.Sprintf("Step %d", int(s))
	}
	return steps[s].title
}

// Skippable reports whether an operator may skip the step for a whole tenant. Steps 2, 6, 7, 9 and 10 never can:
// without them mail would be lost or routed nowhere.
func (s Step) Skippable() bool {
	switch s {
	case StepSource, StepConnect, StepMigrate, StepCutover, StepRouting:
		return false
	}
	return s.Valid()
}

// State is where a step, a wave or a mailbox stands.
type State string

// The states. Waiting means that a person is needed; every other wait (a timer, a retry) is Running.
const (
	Pending  State = "pending"
	Running  State = "running"
	Waiting  State = "waiting"
	Paused   State = "paused"
	Done     State = "done"
	Skipped  State = "skipped"
	Failed   State = "failed"
	Excluded State = "excluded"
	Aborted  State = "aborted"
)

// Finished reports whether nothing more will happen in this state.
func (s State) Finished() bool {
	switch s {
	case Done, Skipped, Failed, Excluded, Aborted:
		return true
	}
	return false
}

// Problem is something that retrying cannot mend. What retries can mend is an error and never becomes a Problem.
type Problem struct {
	// Kind is a constant word for programs and tests, such as "source-sign-in-refused".
	Kind string `json:"kind"`
	// Text says in plain words what was being done to what, and what went wrong, with the server's own words.
	Text string `json:"text"`
	// Remedy says what the operator can do.
	Remedy string `json:"remedy,omitempty"`
}

func (p *Problem) String() string {
	if p.Remedy == "" {
		return p.Text
	}
	return p.Text + " (" + p.Remedy + ")"
}

// Outcome is what an activity that serves many mailboxes says of one of them.
type Outcome struct {
	// Address is the mailbox's address at the target.
	Address string `json:"address"`
	// Done means that the step is complete for this mailbox.
	Done bool `json:"done,omitempty"`
	// Problem, when set, means that a person is needed; with neither Done nor Problem the mailbox is not ready yet
	// and the activity is to be called again later.
	Problem *Problem `json:"problem,omitempty"`
	// Note is shown and recorded: an adopted user, a notice that may have been sent.
	Note string `json:"note,omitempty"`
}
