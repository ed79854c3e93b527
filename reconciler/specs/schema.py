"""JSON Schemas of the kinds, for editors and for whoever writes specs with another program.

Generated from the models; one file per kind, the whole document, draft 2020-12. `python -m reconciler.specs.schema DIR`
writes them, `--check` says which are stale. A schema knows no rule between fields or specs; `reconciler validate` does.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from reconciler.specs.document import documents
from reconciler.specs.kinds import Kind
from reconciler.specs.kinds.fields import format_duration

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DEFAULT_FOLDER = "schemas"


def schema_of(kind: Kind) -> dict[str, Any]:
    """The schema of a whole document of a kind."""
    generated = documents()[kind].model_json_schema(by_alias=True, mode="validation", schema_generator=_Readable)
    return {
        "$schema": DIALECT,
        **generated,
        "title": str(kind),
        "description": f"opspilot.spec/v1 {kind}: {generated['description']}",
    }


def files() -> Mapping[str, str]:
    """The text of every schema file, by its name."""
    return MappingProxyType(
        {
            f"{kind.lower()}.json": json.dumps(schema_of(kind), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
            for kind in Kind
        }
    )


class _Readable(GenerateJsonSchema):
    """Without titles that only repeat a field's name (editors show the description), and closed in every mapping."""

    def dict_schema(self, schema: Any) -> dict[str, Any]:
        generated = super().dict_schema(schema)
        return {**generated, "additionalProperties": False} if "patternProperties" in generated else generated

    def encode_default(self, dft: Any) -> Any:
        """A default as a spec would write it, so that it fits its own pattern."""
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  pydantic's hook
        return False


def stale(folder: Path) -> list[str]:
    """Names of files that differ from what would be written, and of schemas that belong to no kind."""
    wanted = files()
    present = {path.name for path in folder.glob("*.json")}
    differing = {
        name for name, text in wanted.items() if name not in present or (folder / name).read_text("utf-8") != text
    }
    return sorted(differing | (present - wanted.keys()))


def main(arguments: Sequence[str]) -> int:
    """Write the schemas, or with --check compare them."""
    folder = Path(next((argument for argument in arguments if not argument.startswith("-")), DEFAULT_FOLDER))
    if "--check" in arguments:
        for name in (differing := stale(folder)):
            sys.stderr.write(f"{folder / name} is stale; run python -m reconciler.specs.schema {folder}\n")
        return 1 if differing else 0
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
