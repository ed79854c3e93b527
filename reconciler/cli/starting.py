"""`init`: a folder to start from, and the commands that come next."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options, show
from reconciler.cli.choices import Output

if TYPE_CHECKING:
    from reconciler.doors.adopting import Adopted
    from reconciler.doors.starting import Begun

DAYS = 90
ENVIRONMENT_FILES = ("environments/dev.yaml",)


def add(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(init)


def init(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of its own.")] = Path("reconciler"),
    email: Annotated[str, typer.Option("--email", help="As it stands in your commits.")] = "",
    adopt: Annotated[
        str, typer.Option("--adopt", metavar="NAMESPACE/KIND/NAME", help="A workload that runs already.")
    ] = "",
    context: Annotated[str, typer.Option("--context", help="Of your kubeconfig; your kubectl looks with it.")] = "",
    output: Annotated[Output, typer.Option("-o", "--output", help="table, json or yaml.")] = Output.TABLE,
) -> None:
    """Make a reconciler in a folder of its own.

    Keys, reconciler.toml and a repository; --repo URL takes one that exists. Your key becomes the root of trust:
    --key FILE names one that you have. --as LOGIN is your name. --adopt reads a workload with your own kubectl, writes
    it down as it runs, and opens the pull request that makes it a release; nothing of it changes.
    """
    opts = options.of(ctx)
    if context and not adopt:
        raise typer.BadParameter("--context is for --adopt NAMESPACE/KIND/NAME")
    from reconciler.app.clock import SystemClock
    from reconciler.doors.starting import ENVIRONMENT_NAME, Wanted, begin, check_free, login_here, propose_adoption

    login = opts.login or login_here()
    wanted = Wanted(
        folder.resolve(), login, email or f"{login}@localhost", opts.key, opts.repository, opts.branch or "main"
    )
    proposed: tuple[str, int | None] | None = None
    if adopt:
        from reconciler.doors.adopting import adopted

        check_free(wanted)
        with opts.timed("looking at the cluster"), show.progress("looking at the cluster with your kubectl"):
            wanted = replace(wanted, adopted=adopted(context, adopt, ENVIRONMENT_NAME))
    made = begin(wanted, SystemClock())
    if wanted.adopted is not None:
        proposed = propose_adoption(wanted, made, SystemClock())
    if output is Output.TABLE:
        _tell(made, login, wanted.adopted)
        if wanted.adopted is not None and proposed is not None:
            _tell_adopted(made, wanted.adopted, context, *proposed)
        else:
            _tell_next(made)
        return
    show.machine(
        {
            "config": str(made.config),
            "repository": made.repository,
            "key": str(made.key),
            "login": login,
            "commit": made.commit,
            "specs": list(made.specs),
            "signer": made.signer,
            "recipient": made.recipient,
            **({"adopted": _adopted(wanted.adopted, *proposed)} if wanted.adopted and proposed else {}),
        },
        output,
    )


def _adopted(found: "Adopted", branch: str, number: int | None) -> dict[str, object]:
    return {
        "objects": list(found.objects),
        "left": list(found.left),
        "cluster": found.cluster,
        "namespace": found.namespace,
        "files": sorted({*found.files, *ENVIRONMENT_FILES}),
        "branch": branch,
        "pull_request": number,
    }


def _tell(made: "Begun", login: str, found: "Adopted | None") -> None:
    show.pairs(
        [
            ("settings", made.config),
            ("repository", made.repository),
            ("your key", made.key),
            ("specs", list(dict.fromkeys([*made.specs, *(ENVIRONMENT_FILES + tuple(found.files) if found else ())]))),
            ("reconciler's key", made.signer),
            ("seal secrets to", made.recipient),
        ]
    )
    show.line("\nnext", "bold")
    show.line(f"  export RECONCILER_CONFIG={made.config} RECONCILER_LOGIN={login} RECONCILER_KEY={made.key}")


def _tell_adopted(made: "Begun", found: "Adopted", context: str, branch: str, number: int | None) -> None:
    """The commands in order; each can be copied."""
    for words in found.objects:
        show.line(f"  # adopts {words}")
    for words in found.left:
        show.line(f"  # {words}")
    kubectl = f"kubectl --context {shlex.quote(context)}" if context else "kubectl"
    home = made.config.parent
    show.line(f"  {kubectl} apply -f {home / 'access.yaml'}   # an account with the rights that this needs, no more")
    token = f"create token reconciler --duration={DAYS * 24}h"
    show.line(f"  (umask 077; {kubectl} -n {found.namespace} {token} > {home / 'secrets' / found.cluster})")
    if number is None:
        show.line(f"  # open a pull request of branch {branch}, merge it, and name the commit that the merge made:")
        show.line("  reconciler run --once --trust COMMIT")
        show.line("  reconciler approve REF --reason 'as it runs'   # REF: what waits, as the line before said")
    else:
        show.line(f"  reconciler run --once --trust {made.commit}   # and it previews the pull request")
        show.line(f"  reconciler pr show {number}                 # each field whose ownership moves; nothing restarts")
        show.line(f"  reconciler pr merge {number}")
    show.line("  reconciler run --once")
    show.line("  reconciler run                       # from now on")
    show.note("\nback up state/keys; `reconciler doctor` says what each file is for")


def _tell_next(made: "Begun") -> None:
    if made.commit is None:
        show.line(f"  # commit what is in {made.config.parent / 'specs'} to the tracked branch, then name that commit:")
    show.line(f"  reconciler run --once --trust {made.commit or 'COMMIT'}")
    show.line("  reconciler inbox                     # the first plan waits; its REF stands there")
    show.line("  reconciler approve REF --reason 'first plan'")
    show.line("  reconciler run                       # from now on")
    show.note("\nback up state/keys; `reconciler doctor` says what each file is for")
