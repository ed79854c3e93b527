"""What a chart rendered to with stand-ins, with the encrypted values in it; where that cannot be, a problem each.

Knows documents and their places; what may come out where is stand_ins.py's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.errors import Place, Problem
from reconciler.specs.finding import VALIDATION
from reconciler.specs.manifest_files import ManifestFile
from reconciler.specs.objects import Placed, flattened, is_object, named_in
from reconciler.specs.stand_ins import ODD_ONES, WITHIN, Form, Hidden, NotPutIn, Objects, Renders

LONGEST = 120  # characters of the way to a field


@dataclass(frozen=True, slots=True)
class Compared:
    """What was rendered beside: the same chart with other stand-ins. What was refused so is left out."""

    hidden: tuple[Hidden, ...]
    others: Mapping[Form, ManifestFile]


def put_in(good: Sequence[Placed], path: str, compared: Compared, problems: list[Problem]) -> Iterator[Placed]:
    """The checked objects of a chart with its values in them. `path`: the file that problems are told of."""
    other = _objects(compared, Form.OTHER, path)
    if other is None or len(other) != len(good):
        message = "what it renders to: which objects come out is decided by an encrypted value"
        problems.append(Problem(Place(path), VALIDATION, message, WITHIN))
        return
    odd = {form: found for form in ODD_ONES if len(found := _objects(compared, form, path) or ()) == len(good)}
    renders = Renders(compared.hidden, other, odd if len(odd) == len(ODD_ONES) else {})
    for number, item in enumerate(good):
        try:
            value, sealed = renders.put_in(number, item.value)
        except NotPutIn as error:
            way = ".".join(map(str, error.steps))[:LONGEST]
            message = f"what it renders to: {named_in(item.value)}: {way}: {error.message}"
            problems.append(Problem(item.place(), VALIDATION, message, error.hint))
            continue
        yield replace(item, value=value, sealed=sealed)


def _objects(compared: Compared, form: Form, path: str) -> Objects | None:
    """What came out with these stand-ins; None where nothing did, or not all of it right."""
    file = compared.others.get(form)
    if file is None or file.findings:
        return None
    wrong: list[Problem] = []
    found = [one for document in file.placed(path) for one in flattened(document, wrong)]
    good = [one.value for one in found if is_object(one, wrong)]
    return good if not wrong else None
