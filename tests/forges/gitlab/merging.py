"""How a GitLab merges: a merge commit, squashed or not, or fast-forwarded after a rebase of the source branch."""

import pygit2

from tests.forges.gitlab.state import GitLabState, MergeRequest, Project, User


class CannotMerge(Exception):
    """GitLab answers 405 or 406."""


def merge(state: GitLabState, one: MergeRequest, who: User, *, squash: bool, forward: bool) -> None:
    """As the project's method and the request's `squash` say."""
    git = one.project.git
    if one.state != "opened":
        raise CannotMerge
    target = _commit(one.project, one.target_branch)
    head = _at(git, one.head)
    if forward and git.merge_base(target.id, head.id) != target.id:
        raise CannotMerge
    if squash:
        tree = _merged(git, target, head)
        landed = _written(git, who, one.title, tree, [target.id])
        one.squash_commit = str(landed)
        if not forward:
            landed = _written(git, who, f"Merge branch '{one.source_branch}'", tree, [target.id, landed])
            one.merge_commit = str(landed)
    elif forward:
        landed = head.id
    else:
        tree = _merged(git, target, head)
        landed = _written(git, who, f"Merge branch '{one.source_branch}'", tree, [target.id, head.id])
        one.merge_commit = str(landed)
    git.references[f"refs/heads/{one.target_branch}"].set_target(landed)
    one.state, one.merged_at, one.merge_user = "merged", state.now(), who
    state.happened(one, who, "merged")


def rebase(state: GitLabState, one: MergeRequest, who: User) -> None:
    """The source branch onto the target: a push like any other."""
    git = one.project.git
    onto = _commit(one.project, one.target_branch)
    for commit_id in reversed(state.commits_of(one)):
        commit = _at(git, commit_id)
        index = git.merge_trees(commit.parents[0].tree, onto.tree, commit.tree)
        if index.conflicts:
            raise CannotMerge
        committer = pygit2.Signature(who.username, f"{who.username}@example.invalid")
        made = git.create_commit(None, commit.author, committer, commit.message, index.write_tree(git), [onto.id])
        onto = _at(git, str(made))
    git.references[f"refs/heads/{one.source_branch}"].set_target(onto.id)
    state.received()


def _commit(project: Project, branch: str) -> pygit2.Commit:
    tip = project.tip(branch)
    assert tip is not None
    return _at(project.git, tip)


def _at(git: pygit2.Repository, revision: str) -> pygit2.Commit:
    return git[pygit2.Oid(hex=revision)].peel(pygit2.Commit)


def _merged(git: pygit2.Repository, target: pygit2.Commit, head: pygit2.Commit) -> pygit2.Oid:
    index = git.merge_commits(target, head)
    if index.conflicts:
        raise CannotMerge
    return index.write_tree(git)


def _written(
    git: pygit2.Repository, who: User, message: str, tree: pygit2.Oid, parents: list[pygit2.Oid]
) -> pygit2.Oid:
    name = pygit2.Signature(who.username, f"{who.username}@example.invalid")
    return git.create_commit(None, name, name, message, tree, parents)
