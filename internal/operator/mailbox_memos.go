package operator

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/mailferry/mailferry/internal/migration"
	"github.com/mailferry/mailferry/workflows"
)

const (
	// byMemo begins the token of a page that was made from memos.
	byMemo = "memo:"
	// listedAtOnce is how many workflows one answer of visibility brings.
	listedAtOnce = 200
)

// byMemos lists the mailboxes' latest runs by visibility. A page's token is the server's, and how many of its page were
// shown already.
func (o *Operator) byMemos(ctx context.Context, s Status, q MailboxQuery) ([]MailboxLine, string, error) {
	token, skip, err := readToken(q.Page)
	if err != nil {
		return nil, "", err
	}
	query := fmt.Sprintf("%s = '%s' AND %s = '%s' AND WorkflowType = '%s' AND ExecutionStatus != 'ContinuedAsNew'",
		workflows.SearchTenant.GetName(), s.Tenant, workflows.SearchLaunch.GetName(), s.Launch, workflows.MailboxType)
	switch q.State {
	case "", Verified, string(migration.Failed): // what search attributes don't tell
	default:
		query += fmt.Sprintf(" AND %s = '%s'", workflows.SearchState.GetName(), q.State)
	}
	var lines []MailboxLine
	for {
		response, err := o.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			PageSize: listedAtOnce, NextPageToken: token, Query: query,
		})
		if err != nil {
			return nil, "", Translate(err)
		}
		all := response.GetExecutions()
		for i := min(skip, len(all)); i < len(all); i++ {
			line, ok := o.lineOf(all[i])
			if !ok || !q.wants(line.MailboxStatus) || q.Wave != "" && line.Wave != q.Wave {
				continue
			}
			if len(lines) == q.Limit {
				return lines, byMemo + strconv.Itoa(i) + ":" + base64.RawURLEncoding.EncodeToString(token), nil
			}
			lines = append(lines, line)
		}
		if token, skip = response.GetNextPageToken(), 0; len(token) == 0 {
			return lines, "", nil
		}
	}
}

func readToken(page string) (token []byte, skip int, err error) {
	if page == "" {
		return nil, 0, nil
	}
	rest, ok := strings.CutPrefix(page, byMemo)
	if !ok {
		return nil, 0, otherList()
	}
	number, encoded, _ := strings.Cut(rest, ":")
	skip, err = strconv.Atoi(number)
	if err == nil {
		token, err = base64.RawURLEncoding.DecodeString(encoded)
	}
	if err != nil || skip < 0 {
		return nil, 0, &Error{Kind: Invalid, Text: fmt.Sprintf("%q is no page", page), Hints: []string{"take it from the line below the page before"}}
	}
	return token, skip, nil
}

// lineOf is a mailbox as its memo has it. It reports false for one whose memo can't be read.
func (o *Operator) lineOf(info *workflowpb.WorkflowExecutionInfo) (MailboxLine, bool) {
	var m workflows.MailboxMemo
	if o.readMemo(info.GetMemo(), workflows.MemoStatus, &m) != nil || m.Address == "" {
		return MailboxLine{}, false
	}
	line := MailboxLine{MailboxStatus: m.MailboxStatus, Modified: m.Modified}
	line.ID = info.GetExecution().GetWorkflowId()
	switch status := info.GetStatus(); {
	case cutShort(status):
		line.State = migration.Failed
		line.Problem = &migration.Problem{
			Kind: "mailbox-ended", Text: fmt.Sprintf("the workflow %s %s", line.ID, endedWords(closedAs(status))),
			Remedy: "see in the Web UI why; if it has been started again there, retry the step",
		}
		line.Since = timeOf(info.GetCloseTime())
	case status == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, status == enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		line.Doing = "ended"
	}
	return line, true
}
