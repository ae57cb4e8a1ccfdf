"""`comptoir product`: the catalogue as a CSV file, out to a spreadsheet and in again."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from comptoir.acting import AsJson, in_databases, me
from comptoir.options import DATA, Data

# Everything else is imported by the command that needs it, so that --help answers at once.

out = Console()
products = typer.Typer(no_args_is_help=True, help="The catalogue as a CSV file: written, edited and taken over again.")


@products.command("import")
def product_import(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="CSV, as the page Products from a file says")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only say what would be new and what would change")
    ] = False,
    good: Annotated[bool, typer.Option("--good", help="take over what is right, though other rows are wrong")] = False,
    errors: Annotated[
        Path | None, typer.Option("--errors", dir_okay=False, help="write the rows with faults here, to be mended")
    ] = None,
    mark: Annotated[str, typer.Option("--mark", help="decimal mark, . or ,; else as the file says")] = "",
    by: Annotated[str, typer.Option("--by", help="who does it; kept with the act")] = "",
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Makes products as a file says; with --dry-run only tells what that changes. Exit code 1 when a row is wrong.

    With a fault anywhere nothing is changed, unless --good says that the other rows are. A column or product that the
    file leaves out stays as it is.
    """
    from comptoir.catalogue import import_products, print_import, read_file, write_errors

    if mark not in ("", ".", ","):
        raise typer.BadParameter("a point or a comma", param_hint="--mark")
    read = read_file(file, mark)
    who = by or me()
    done = in_databases(
        lambda url, names: import_products(url, read, who, file.name, dry_run=dry_run, despite=good), data, "order"
    )
    if errors is not None:
        write_errors(errors, read, done.told)
    if not print_import(done, read, out, as_json):
        raise typer.Exit(1)


@products.command("export")
def product_export(
    file: Annotated[Path | None, typer.Argument(dir_okay=False, help="where to; standard output if left out")] = None,
    comma: Annotated[
        bool,
        typer.Option("--decimal-comma", help="with 12,50 and semicolons, as Dutch, German and French spreadsheets"),
    ] = False,
    data: Data = DATA,
) -> None:
    """Writes the whole catalogue; the file may be edited and imported again."""
    from comptoir.catalogue import exported

    async def work(url: str, names: tuple[str, ...]) -> int:
        if file is None:
            return await exported(url, sys.stdout, comma)
        with file.open("w", encoding="utf-8", newline="") as opened:
            return await exported(url, opened, comma)

    count = in_databases(work, data, "order")
    typer.echo(f"{count:,} products", err=True)
