"""Scaling a workload that is there, with its mark, in one write; and whose its number of pods is then.

The rules of write.py hold (G25): it sends what was seen as a precondition, and looks at object and parent again where
somebody wrote in between. What moved in more than its status is looked at again by whoever decided this.
"""

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.errors import Unavailable
from reconciler.kube import marks, traffic
from reconciler.kube.client import APPLY_TYPE, Client, Request
from reconciler.kube.discovery import Discovery
from reconciler.kube.known import decided
from reconciler.kube.numbers import keep_number, unmark
from reconciler.kube.parent import Parent
from reconciler.kube.shown import shown
from reconciler.kube.traffic import Turned
from reconciler.kube.verdicts import Moved, changed, check_applied, is_moved, moving
from reconciler.kube.write import ATTEMPTS, Writer
from reconciler.names import ObjectRef
from reconciler.state.observed import Json


@dataclass(frozen=True, slots=True)
class Scaler:
    """Scales what belongs to releases whose parent the writer has taken."""

    client: Client
    discovery: Discovery
    writer: Writer

    def scale(
        self,
        release: str,
        ref: ObjectRef,
        asked: Callable[[Json], Turned | None],
        *,
        generation: int,
        expected_uid: str,
    ) -> Turned | None:
        """Turn a live workload as `asked` says of it, everything else that we own as it stands (traffic.py).

        Forced, for only the number of pods can be another manager's there. Where nothing is to be done it is written
        once in each turn all the same, so that whoever stood still finds it moved.
        """
        what = f"scaling {ref}"
        resource = self.discovery.resource(ref.group, ref.version, ref.kind)
        if resource is None:
            raise Unavailable(f"{what}: the server does not serve its kind", key="cluster_connect_failed")
        path = resource.path(ref.namespace, ref.name)
        seen: Json = None
        turned: Turned | None = None
        for attempt in range(ATTEMPTS):
            live, at = self.writer.look(path, ref, again=attempt > 0)
            parent = self.writer.held.check_to_write(release, generation, ref, at)
            if live is None:
                raise changed(f"{what}: it is gone")
            if attempt and decided(live) != seen:
                raise moving(what)
            self.writer.check_existing(what, release, live, generation, expected_uid)
            turned = turned if attempt else asked(live)  # a number that was kept by then would say: it has pods
            if turned is None and marks.event_of(live) == parent.event:
                return None
            if self._written(path, ref, live, parent, turned):
                return turned
            seen = decided(live)
        raise moving(what)

    def _written(self, path: str, ref: ObjectRef, live: Json, parent: Parent, turned: Turned | None) -> bool:
        """Whether it was; else it is not at the version that was read. A number that is not ours is kept first."""
        what = f"scaling {ref}"
        try:
            if turned is not None and turned.handed:
                keep_number(self.client, path, ref, live, turned.pods)
        except Moved:
            return False
        body = traffic.as_we_own(live) if turned is None else traffic.written(live, turned)
        ours = {marks.GENERATION: str(parent.generation), marks.EVENT: parent.event}
        body["metadata"]["annotations"] = {**body["metadata"]["annotations"], **ours}
        query = {"fieldManager": marks.FIELD_MANAGER, "force": "true"}
        answer = self.client.ask(Request("PATCH", path, what, query, body, APPLY_TYPE))
        if is_moved(answer):
            return False
        check_applied(answer, existed=True)
        after = shown(answer.json, ref, what, uid=live["metadata"]["uid"])
        if turned is not None and not turned.mark:
            unmark(self.client, path, ref, after)
        return True
