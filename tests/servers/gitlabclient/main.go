// Command gitlabclient asks a GitLab what the reconciler asks of it, through GitLab's own Go client, and prints what the
// client understood: one JSON object by the name of the question. Usage: gitlabclient URL TOKEN PROJECT NUMBER REVISION
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	gitlab "gitlab.com/gitlab-org/api/client-go"
)

func main() {
	if err := ask(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func ask(url, token, project, text, revision string) error {
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return err
	}
	client, err := gitlab.NewClient(token, gitlab.WithBaseURL(url), gitlab.WithCustomRetryMax(0))
	if err != nil {
		return err
	}
	found := map[string]any{}
	keep := func(name string, value any, err error) {
		if err != nil {
			found[name] = map[string]string{"error": err.Error()}
			return
		}
		found[name] = value
	}
	opened := "opened"

	me, _, err := client.Users.CurrentUser()
	keep("user", me, err)
	if err != nil {
		return err
	}
	account, _, err := client.Users.GetUser(me.ID, gitlab.GetUsersOptions{})
	keep("account", account, err)
	itself, _, err := client.Projects.GetProject(project, nil)
	keep("project", itself, err)
	member, _, err := client.ProjectMembers.GetInheritedProjectMember(project, me.ID)
	keep("member", member, err)
	members, _, err := client.ProjectMembers.ListAllProjectMembers(project, nil)
	keep("members", members, err)
	branch, _, err := client.Branches.GetBranch(project, "main")
	keep("branch", branch, err)
	rules, _, err := client.Projects.GetProjectApprovalRules(project, nil)
	keep("approval_rules", rules, err)
	itsToken, _, err := client.PersonalAccessTokens.GetSinglePersonalAccessToken()
	keep("token", itsToken, err)
	list, _, err := client.MergeRequests.ListProjectMergeRequests(project, &gitlab.ListProjectMergeRequestsOptions{State: &opened})
	keep("merge_requests", list, err)
	one, _, err := client.MergeRequests.GetMergeRequest(project, number, nil)
	keep("merge_request", one, err)
	versions, _, err := client.MergeRequests.GetMergeRequestDiffVersions(project, number, nil)
	keep("versions", versions, err)
	reviewers, _, err := client.MergeRequests.GetMergeRequestReviewers(project, number)
	keep("reviewers", reviewers, err)
	approvals, _, err := client.MergeRequestApprovals.GetConfiguration(project, number)
	keep("approvals", approvals, err)
	note, _, err := client.Notes.CreateMergeRequestNote(project, number, &gitlab.CreateMergeRequestNoteOptions{Body: gitlab.Ptr("said")})
	keep("said", note, err)
	if err != nil {
		return err
	}
	edited, _, err := client.Notes.UpdateMergeRequestNote(project, number, note.ID, &gitlab.UpdateMergeRequestNoteOptions{Body: gitlab.Ptr("edited")})
	keep("edited", edited, err)
	notes, _, err := client.Notes.ListMergeRequestNotes(project, number, nil)
	keep("notes", notes, err)
	status, _, err := client.Commits.SetCommitStatus(project, revision, &gitlab.SetCommitStatusOptions{
		State: gitlab.Pending, Name: gitlab.Ptr("client"), Description: gitlab.Ptr("asked"), TargetURL: gitlab.Ptr("https://example.org/"),
	})
	keep("status", status, err)
	statuses, _, err := client.Commits.GetCommitStatuses(project, revision, nil)
	keep("statuses", statuses, err)
	pipelines, _, err := client.Pipelines.ListProjectPipelines(project, &gitlab.ListProjectPipelinesOptions{SHA: &revision})
	keep("pipelines", pipelines, err)
	brought, _, err := client.Commits.ListMergeRequestsByCommit(project, revision)
	keep("brought", brought, err)
	made, _, err := client.MergeRequests.CreateMergeRequest(project, &gitlab.CreateMergeRequestOptions{
		Title: gitlab.Ptr("by the client"), SourceBranch: gitlab.Ptr("proposal"), TargetBranch: gitlab.Ptr("main"), Description: gitlab.Ptr("why"),
	})
	keep("made", made, err)
	return json.NewEncoder(os.Stdout).Encode(found)
}
