package workflows

// Change IDs of workflow.GetVersion are all declared in this file, each with the release that brought it and what it
// changed, and stay here for as long as a run that recorded them may be replayed. There are none yet: no released
// history knows another order of things than the present one. A change that would fail the replay of
// testdata/histories needs one.
