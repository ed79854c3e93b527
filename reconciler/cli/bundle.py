"""`bundle`: filling, signing and verifying an offline bundle."""

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import options, show
from reconciler.cli.choices import Output
from reconciler.cli.edge import FOUND

app = typer.Typer(help="Offline bundles.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder that holds manifests/, hooks/, checksums/.")]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="table, json or yaml.")]
COLUMNS = (
    show.Column("ARTIFACT", "id"),
    show.Column("PATH", "path"),
    show.Column("PRESENT", "present", whole=True),
    show.Column("REQUIRED", "required", whole=True),
    show.Column("BYTES", "size_bytes", whole=True),
    show.Column("SHA256", lambda row: row["sha256"][:12], whole=True),
)


@app.command("fetch-list")
def fetch_list(folder: Folder, output: OutputOption = Output.TABLE) -> None:
    """Every file that the index names, and whether it is there: exit 1 while a required one is missing."""
    from reconciler.doors import bundle

    rows = bundle.fetch_list(folder)
    show.listing(rows, COLUMNS, output)
    if any(row["required"] and not row["present"] for row in rows):
        raise typer.Exit(FOUND)


@app.command()
def index(
    folder: Folder,
    source: Annotated[Path | None, typer.Option("--from", metavar="DIR", help="Take missing files from here.")] = None,
) -> None:
    """Write sums and sizes of the files that are there into the index."""
    from reconciler.doors import bundle

    done = bundle.fill(folder, source)
    for path in done["copied"]:
        show.line(f"copied {show.said(path)}")
    for path in done["written"]:
        show.line(f"written {show.said(path)}")
    show.note(f"{len(done['copied'])} copied, {len(done['written'])} written; sign it next: reconciler bundle sign")


@app.command()
def sign(
    folder: Folder,
    *,
    key: Annotated[Path, typer.Option("--private-key", metavar="FILE", help="An ed25519 private key in PEM.")],
    generate: Annotated[bool, typer.Option("--generate", help="Make the key where the file does not exist.")] = False,
) -> None:
    """Write SHA256SUMS and its signature; prints the public key that reconciler.toml has to trust."""
    from reconciler.doors import bundle

    done = bundle.sign_folder(folder, key, generate=generate)
    show.line(f"signed {show.said(done['version'])}: {done['files']} files, by {done['name']}")
    show.line(f'bundle_keys = ["{done["signer"]}"]')


@app.command()
def verify(
    ctx: typer.Context,
    folder: Folder,
    trust: Annotated[
        list[str] | None, typer.Option("--trust", metavar="KEY", help="ed25519:...; may be repeated.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Check the signature and every file; trusts --trust, else what reconciler.toml names."""
    opts = options.of(ctx)
    from reconciler.doors import bundle

    trusted = trust or list(opts.operator().bundle_keys)
    with opts.timed("checking the bundle"), show.progress("checking the bundle"):
        found = bundle.verify_folder(folder, trusted)
    if output is Output.TABLE:
        show.pairs(found.items())
    else:
        show.machine(found, output)
