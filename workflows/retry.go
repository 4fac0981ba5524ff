package workflows

import (
	"errors"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/mailferry/mailferry/activities"
)

// An activity is tried so often at a time, and no more: between two such rounds its workflow can go on as a new run, and
// shows since when it fails and of what. Whatever may pass by itself is tried for as long as the migration lasts.

// maxWords is how much is kept of what a failure said, in bytes of JSON.
const maxWords = 300

// passing reports whether an activity failed in each attempt of a round, though of something that may pass.
func passing(err error) bool {
	var failed *temporal.ActivityError
	if !errors.As(err, &failed) || temporal.IsCanceledError(err) {
		return false
	}
	switch failed.RetryState() {
	case enumspb.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED, enumspb.RETRY_STATE_TIMEOUT:
		return true
	case enumspb.RETRY_STATE_NON_RETRYABLE_FAILURE:
		return false
	}
	var application *temporal.ApplicationError
	return !errors.As(err, &application) || !application.NonRetryable() && application.Type() != activities.ProblemType
}

// ended is why a step ends whose activity did not come to an end.
func ended(err error) error {
	if errors.Is(err, errLeave) {
		return errLeave
	}
	return errAborted
}

// failureWords are those of what failed, without the layers around it.
func failureWords(err error) string {
	var application *temporal.ApplicationError
	var timeout *temporal.TimeoutError
	switch {
	case errors.As(err, &application):
		return application.Message()
	case errors.As(err, &timeout) && timeout.TimeoutType() == enumspb.TIMEOUT_TYPE_HEARTBEAT:
		return "the worker gave no sign of life any more"
	}
	return err.Error()
}

// fails notes that something fails again and again, and of what.
func (c *core) fails(r Retrying, words string) {
	r.Since, r.Words = c.now(), cut(words, maxWords)
	i := slices.IndexFunc(*c.retrying, func(have Retrying) bool { return have.What == r.What })
	if i < 0 {
		*c.retrying = append(*c.retrying, r)
	} else {
		(*c.retrying)[i].Words = r.Words
	}
	c.touch()
}

// succeeds notes that it does no more.
func (c *core) succeeds(what string) {
	before := len(*c.retrying)
	*c.retrying = slices.DeleteFunc(*c.retrying, func(have Retrying) bool { return have.What == what })
	if len(*c.retrying) != before {
		c.touch()
	}
}
