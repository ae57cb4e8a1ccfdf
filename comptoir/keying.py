"""`comptoir key`: who gets in to the services' APIs from outside, and with which rights."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

# Everything else is imported by the command that needs it, so that --help answers at once.

out = Console()
key = typer.Typer(
    no_args_is_help=True,
    help="Keys of the services' APIs: made, listed, checked, replaced and revoked in the file that the services read.",
)
At = Annotated[
    Path,
    typer.Option(
        "--file",
        envvar="COMPTOIR_API_KEYS_FILE",
        help="the file of keys, or the folder of `comptoir access secrets`: then each service's copy",
    ),
]
Name = Annotated[str, typer.Argument(help="whose it is: the name that stands in the history, as shop-nl")]
Ends = Annotated[datetime | None, typer.Option("--expires", help="when it ends, in UTC: 2027-01-31")]


def utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def shown_once(secret: str, what: str) -> None:
    """The key alone on standard output, so that it can go where it is kept; the rest beside."""
    typer.echo(f"{what}. It is shown this once:", err=True)
    typer.echo(secret)


@key.command("make")
def key_make(
    name: Name,
    file: At,
    scope: Annotated[list[str], typer.Option("--scope", help="what it may, as orders:place; several times for more")],
    channel: Annotated[str | None, typer.Option(help="it places and sees orders of this channel only")] = None,
    expires: Ends = None,
    per_minute: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="how often it may ask, of each copy of a service")
    ] = None,
) -> None:
    """Makes a key, writes its hash into the file and shows it, once."""
    from comptoir.keys import KeyFiles, make
    from shared import clock

    secret = make(
        KeyFiles(file), name, scope, clock.now(), channel=channel, expires_at=utc(expires), per_minute=per_minute
    )
    shown_once(secret, f"{name} may {', '.join(scope)}" + (f" in the channel {channel}" if channel else ""))


@key.command("rotate")
def key_rotate(name: Name, file: At, expires: Ends = None) -> None:
    """Makes a second key with the rights of the first, and shows it, once. Both work until one is revoked."""
    from comptoir.keys import KeyFiles, rotate
    from shared import clock

    secret = rotate(KeyFiles(file), name, clock.now(), utc(expires))
    shown_once(secret, f"{name} has a new key; revoke the old one when this one is in use")


@key.command("revoke")
def key_revoke(
    name: Name,
    file: At,
    id: Annotated[str, typer.Option("--id", help="which of two, as `comptoir key list` shows")] = "",
    all_of_it: Annotated[bool, typer.Option("--all", help="all keys of this name")] = False,
) -> None:
    """Ends a key: services that read the file refuse it within some seconds."""
    from comptoir.keys import KeyFiles, revoke

    for gone in revoke(KeyFiles(file), name, id, all_of_it=all_of_it):
        typer.echo(f"{gone.name} ({gone.id}) is revoked")


@key.command("list")
def key_list(file: At, as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False) -> None:
    """All keys of the file, without what would open anything."""
    from comptoir.keys import KeyFiles
    from comptoir.operating import print_rows
    from shared import clock

    found = sorted(KeyFiles(file).read(), key=lambda each: (each.name, each.made_at))
    if as_json:
        for each in found:
            about = {"id": each.id, **each.model_dump(mode="json", exclude={"sha256"})}
            out.print_json(data=about, indent=None, highlight=False)
        return
    if not found:
        out.print("there are no keys")
        return
    now, table = clock.now(), Table("name", "id", "may", "channel", "a minute", "made", "expires", box=None)
    for each in found:
        ends = f"{each.expires_at:%Y-%m-%d %H:%M}" if each.expires_at else "never"
        table.add_row(
            each.name,
            each.id,
            ", ".join(each.scopes),
            each.channel or "all",
            str(each.per_minute or "no limit"),
            f"{each.made_at:%Y-%m-%d}",
            ends if each.live(now) else f"{ends} (over)",
        )
    print_rows(out, table)


@key.command("check")
def key_check(file: At) -> None:
    """Says whose a key is and what it may. The key comes on standard input, so that no list of processes shows it."""
    from comptoir.keys import KeyFiles, check
    from shared import clock

    given = typer.prompt("Key", hide_input=True) if sys.stdin.isatty() else sys.stdin.read(1000)
    found = check(KeyFiles(file), given.strip(), clock.now())
    typer.echo(f"{found.name} ({found.id}) may {', '.join(found.scopes)}")
    typer.echo(f"channel: {found.channel or 'all'}; expires: {found.expires_at or 'never'}")


@key.command("scopes")
def key_scopes() -> None:
    """What a key may be given."""
    from shared.keys import SCOPES

    table = Table("scope", "lets it", "bound to a channel", box=None)
    for name, scope in SCOPES.items():
        table.add_row(name, scope.says, {"no": "no", "same": "yes", "each": "its own orders"}[scope.channels])
    out.print(table)
