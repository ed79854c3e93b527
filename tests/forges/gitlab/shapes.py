"""How a GitLab says what it keeps: the fields of its REST entities, with their names and types."""

from datetime import datetime
from typing import Any

from tests.forges.gitlab.state import DEVELOPER, GitLabState, Job, MergeRequest, Note, Project, User, Version

Shape = dict[str, Any]


def time(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


def user(one: User | None) -> Shape | None:
    if one is None:
        return None
    return {
        "id": one.id,
        "username": one.username,
        "name": one.username.title(),
        "state": one.state,
        "locked": False,
        "avatar_url": None,
        "web_url": f"https://gitlab.example.org/{one.username}",
    }


def account(one: User) -> Shape:
    return {**(user(one) or {}), "bot": one.bot, "created_at": "2020-01-01T00:00:00.000Z", "bio": "", "location": None}


def member(one: User, level: int) -> Shape:
    return {**(user(one) or {}), "access_level": level, "created_at": "2020-01-01T00:00:00.000Z", "expires_at": None}


def project(one: Project) -> Shape:
    name = one.path.rpartition("/")[2]
    return {
        "id": one.id,
        "name": name,
        "path": name,
        "path_with_namespace": one.path,
        "default_branch": "main",
        "only_allow_merge_if_pipeline_succeeds": one.pipelines_must_succeed,
    }


def members(state: GitLabState, of: Project) -> list[Shape]:
    return [member(state.users[number], level) for number, level in of.members.items()]


def token(state: GitLabState, who: User) -> Shape:
    return {"id": who.id, "name": "reconciler", "revoked": False, "active": True, "scopes": state.scopes}


def branch(of: Project, name: str, who: User) -> Shape:
    protected = name in of.protected
    return {
        "name": name,
        "commit": {"id": of.tip(name)},
        "merged": False,
        "default": name == "main",
        "protected": protected,
        "developers_can_push": protected and of.protected[name] <= DEVELOPER,
        "developers_can_merge": False,
        "can_push": of.members.get(who.id, 0) >= of.protected.get(name, DEVELOPER),
    }


def merge_request(one: MergeRequest) -> Shape:
    return {
        "id": one.id,
        "iid": one.iid,
        "project_id": one.project.id,
        "title": one.title,
        "description": one.description or None,
        "state": one.state,
        "created_at": time(one.created_at),
        "updated_at": time(one.updated_at),
        "merged_by": user(one.merge_user),
        "merge_user": user(one.merge_user),
        "merged_at": time(one.merged_at),
        "closed_by": None,
        "closed_at": time(one.closed_at),
        "target_branch": one.target_branch,
        "source_branch": one.source_branch,
        "user_notes_count": sum(not note.system for note in one.notes),
        "upvotes": 0,
        "downvotes": 0,
        "author": user(one.author),
        "assignees": [user(each) for each in one.assignees],
        "assignee": user(one.assignees[0]) if one.assignees else None,
        "reviewers": [],
        "source_project_id": one.source.id,
        "target_project_id": one.project.id,
        "labels": [],
        "draft": False,
        "milestone": None,
        "merge_when_pipeline_succeeds": False,
        "detailed_merge_status": "mergeable",
        "sha": one.head,
        "merge_commit_sha": one.merge_commit,
        "squash_commit_sha": one.squash_commit,
        "discussion_locked": None,
        "should_remove_source_branch": None,
        "force_remove_source_branch": False,
        "web_url": f"https://gitlab.example.org/{one.project.path}/-/merge_requests/{one.iid}",
        "squash": False,
        "has_conflicts": False,
        "blocking_discussions_resolved": True,
    }


def version(one: Version, of: MergeRequest) -> Shape:
    return {
        "id": one.id,
        "head_commit_sha": one.head,
        "base_commit_sha": one.base,
        "start_commit_sha": one.start,
        "created_at": time(one.created_at),
        "merge_request_id": of.id,
        "state": "collected",
        "real_size": "1",
    }


def approvals(state: GitLabState, one: MergeRequest) -> Shape:
    def entry(number: int, at: datetime) -> Shape:
        told = {"approved_at": time(at)} if state.tells_approval_times else {}
        return {"user": user(state.users[number]), **told}

    return {
        "user_has_approved": False,
        "user_can_approve": False,
        "approved": bool(one.approvals),
        "approved_by": [entry(number, at) for number, at in one.approvals.items()],
    }


def reviewers(state: GitLabState, one: MergeRequest) -> list[Shape]:
    return [
        {"user": user(state.users[number]), "state": said, "created_at": time(one.created_at)}
        for number, said in one.reviewers.items()
    ]


def note(one: Note, of: MergeRequest) -> Shape:
    shape: Shape = {
        "id": one.id,
        "type": one.kind,
        "body": one.body,
        "attachment": None,
        "author": user(one.author),
        "created_at": time(one.created_at),
        "updated_at": time(one.updated_at),
        "system": one.system,
        "noteable_id": of.id,
        "noteable_type": "MergeRequest",
        "project_id": of.project.id,
        "resolvable": False,
        "confidential": one.internal,
        "internal": one.internal,
        "imported": one.imported,
        "imported_from": "none",
        "noteable_iid": of.iid,
        "commands_changes": {},
    }
    if one.kind == "DiffNote":
        position = {"base_sha": of.versions[0].base, "start_sha": of.versions[0].start, "head_sha": one.head}
        shape |= {"commit_id": None, "position": {**position, "position_type": "text", "new_path": "a.yaml"}}
    return shape


def job(one: Job) -> Shape:
    return {
        "id": one.id,
        "sha": one.sha,
        "ref": one.ref,
        "status": one.state,
        "name": one.name,
        "target_url": one.target_url,
        "description": one.description,
        "created_at": time(one.created_at),
        "started_at": None,
        "finished_at": None,
        "allow_failure": False,
        "coverage": None,
        "pipeline_id": one.pipeline,
        "author": user(one.author),
    }


def approval_rule(number: int, name: str, approvals: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "rule_type": "code_owner" if name == "Code owners" else "regular",
        "report_type": None,
        "eligible_approvers": [],
        "approvals_required": approvals,
        "users": [],
        "groups": [],
        "contains_hidden_groups": False,
        "protected_branches": [],
        "applies_to_all_protected_branches": False,
    }
