"""The first policy: accepted by a person who names a commit, on the reconciler's own machine (contracts: G2).

Event one of the audit. It accepts the policy of that commit and nothing else: everything that the commit wants on
targets waits for one decision by a root signer.
"""

from reconciler.app.journal import Journal, Note
from reconciler.app.planning import Planner
from reconciler.errors import Refused, SpecError
from reconciler.git import history
from reconciler.git.mirror import Mirror
from reconciler.machine.entry import Accepted, Trusted
from reconciler.names import SHORT, Revision
from reconciler.plan.units import POLICY_UNIT
from reconciler.state.event import Domain, Severity, Source


def trust(
    mirror: Mirror, journal: Journal, planner: Planner, commit: Revision, *, tracked: str, repository: str
) -> None:
    """Record the trust. Raises Refused where something is trusted already or the commit is not on the branch.

    `repository` is the id that decisions are bound to; people's machines learn it from this event.
    """
    if journal.ledger.trusted is not None:
        raise Refused(
            f"trusting {commit[:SHORT]}: {journal.ledger.trusted[:SHORT]} is trusted already",
            key="policy_not_in_force",
            hint="later changes of policy are pull requests of their own",
        )
    tip = mirror.refs().get(f"refs/heads/{tracked}")
    if tip is None or not history.is_ancestor(mirror.repository, commit, tip):
        raise Refused(f"trusting {commit[:SHORT]}: it is not on {tracked}", key="preview_required")
    side = planner.desires.at(commit)
    if side.desired.problems:
        raise SpecError(side.desired.problems)
    unit = side.units[POLICY_UNIT]
    entry = Trusted(commit=commit, units=(Accepted(unit=str(POLICY_UNIT), artifact=unit.artifact, revision=commit),))
    note = Note(
        Domain.APPROVAL,
        "ticket_approved",
        "policy",
        "policy",
        source=Source.API_DIRECT,
        severity=Severity.CRITICAL,
        detail={
            "ticket": "policy",
            "comment": f"first policy trusted at {commit}",
            "reviewed_by": "operator",
            "repository": repository,
        },
        entry=entry,
    )
    journal.record([note], guarded=True)
