"""Commit statuses as GitLab keeps them: jobs of a pipeline, which go through states in one direction.

After GitLab's Ci::CreateCommitStatusService: an unfinished job of the same name, ref and account is changed; a finished
one is replaced by a new one; a step that the states do not know is a 400, and its words are lost.
"""

import pygit2

from tests.forges.gitlab.state import GitLabState, Job, Pipeline, Project, User

UNFINISHED = ("pending", "running")
STEPS = {  # what is asked for: (the event's name, from where it may come)
    "pending": ("enqueue", ("created",)),
    "running": ("run", ("created", "pending")),
    "success": ("success", ("created", "pending", "running")),
    "failed": ("drop", ("created", "pending", "running")),
    "canceled": ("cancel", ("created", "pending", "running")),
}


class Refused(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def set_status(state: GitLabState, project: Project, who: User, sha: str, asked: dict[str, str]) -> Job:
    if asked["state"] not in STEPS:
        raise Refused(400, "state does not have a valid value")
    if len(asked.get("description") or "") > 255:
        raise Refused(400, "description is too long (maximum is 255 characters)")
    pipeline = _pipeline(state, project, sha, asked.get("ref"))
    known = [job for job in project.jobs if (job.pipeline, job.name) == (pipeline.id, asked["name"])]
    standing = [job for job in known if job.state in UNFINISHED and job.author is who]
    job = standing[0] if standing else None
    event, sources = STEPS[asked["state"]]
    before = job.state if job else "created"
    if before not in sources:
        words = (
            f'Cannot transition status via :{event} from :{before} (Reason(s): Status cannot transition via "{event}")'
        )
        raise Refused(400, words)
    if job is None:
        job = Job(state.number(), sha, pipeline.ref, pipeline.id, asked["name"], who, state.now())
        project.jobs.append(job)
        for other in known:
            other.replaced = True
    job.state = asked["state"]
    job.description = asked.get("description")
    job.target_url = asked.get("target_url")
    return job


def succeeded(project: Project, sha: str) -> bool:
    """Whether the newest pipeline of a head did: what "Pipelines must succeed" asks."""
    newest = [one for one in project.pipelines if one.sha == sha][-1:]
    found = [job for job in project.jobs if newest and job.pipeline == newest[0].id and not job.replaced]
    return bool(found) and all(job.state == "success" for job in found)


def _pipeline(state: GitLabState, project: Project, sha: str, ref: str | None) -> Pipeline:
    """The newest that fits, or a new one on the ref, or on the first branch that holds the commit."""
    fitting = [one for one in project.pipelines if one.sha == sha and ref in {None, one.ref}]
    if fitting:
        return fitting[-1]
    ref = ref or next(iter(_holding(project, sha)), None)
    if ref is None:
        raise Refused(404, "404 References for commit Not Found")
    made = Pipeline(state.number(), sha, ref)
    project.pipelines.append(made)
    return made


def _holding(project: Project, sha: str) -> list[str]:
    names = sorted(project.git.branches.local)
    return [name for name in names if (tip := project.tip(name)) and (tip == sha or _descends(project, tip, sha))]


def _descends(project: Project, tip: str, sha: str) -> bool:
    return bool(project.git.descendant_of(pygit2.Oid(hex=tip), pygit2.Oid(hex=sha)))
