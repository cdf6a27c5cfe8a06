"""`counterpoint keys`: makes keys, shows who may say what, replaces one member's keys."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.cli.options import Config, Data, Json

app = typer.Typer(help="Signing keys, CURVE keys and the roster.", no_args_is_help=True)
Member = Annotated[str, typer.Argument(help="a name of the roster", metavar="NAME")]


def folder_of(data: Path | None, config: Path | None) -> Path:
    """Return the configured folder of keys."""
    from agents.cli.flags import resolve

    return resolve(config, None, {"data": data}).settings.keys_folder


@app.command()
def new(*, data: Data = None, config: Config = None) -> None:
    """Make the roster, every participant's key pairs, and the tokens of the desk."""
    from protocol.keys import new_keys
    from protocol.tokens import new_tokens

    folder = folder_of(data, config)
    new_keys(folder)
    new_tokens(folder)
    print(folder)


@app.command()
def tokens(
    *,
    renew: Annotated[bool, typer.Option("--renew", help="replace those that are there")] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make the tokens of the desk that are missing; tell where they lie."""
    from protocol.tokens import SCOPES, new_tokens, token_path

    folder = folder_of(data, config)
    new_tokens(folder, renew=renew)
    for scope in SCOPES:
        print(token_path(folder, scope))


@app.command()
def stack(*, data: Data = None, config: Config = None) -> None:
    """Make the API keys and the .env file of docker-compose.yml, in the present folder."""
    from agents.cli.keys_stack import make_stack_keys

    print(make_stack_keys(folder_of(data, config), Path()))


@app.command()
def show(*, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Tell who is in the roster: fingerprints, rights, which private keys lie here. No secrets."""
    from protocol.keys import load_listed, load_roster

    folder = folder_of(data, config)
    load_roster(folder)
    members = [
        {
            "name": row.name,
            "keys": [fingerprint(base64.b64decode(key)) for key in row.keys],
            "curve": fingerprint(row.curve.encode()),
            "curve_old": None if row.curve_old is None else fingerprint(row.curve_old.encode()),
            "private_here": (folder / f"{row.name}.key").exists(),
            "may_send": list(row.may_send),
        }
        for row in load_listed(folder).members
    ]
    if as_json:
        print(json.dumps({"folder": str(folder), "members": members}, indent=1))
        return
    draw(members)


def draw(members: list[dict[str, Any]]) -> None:
    """Print the roster as a table."""
    from rich.table import Table

    from agents.cli.console import Screen

    table = Table(box=None, pad_edge=False)
    for title in ("member", "signs with", "CURVE", "private key"):
        table.add_column(title, no_wrap=True)
    table.add_column("may send")
    for each in members:
        old = each["curve_old"]
        table.add_row(
            each["name"],
            "\n".join(each["keys"]),
            each["curve"] if old is None else f"{old}\n{each['curve']}",
            "here" if each["private_here"] else "-",
            " ".join(each["may_send"]),
        )
    Screen(width=160).print(table)


@app.command()
def rotate(name: Member, *, data: Data = None, config: Config = None) -> None:
    """Give a member new keys; the old ones hold beside them until `retire`."""
    from protocol.rotation import rotate as begin

    folder = folder_of(data, config)
    row = begin(folder, name)
    old, fresh = (fingerprint(base64.b64decode(key)) for key in row.keys)
    print(f"{name} signs with {fresh} from now on, {old} holds until it is retired")
    print(f"give {folder}/roster.json to every host, {name}.key to its own, then")
    print(f"counterpoint keys retire {name}")


@app.command()
def retire(name: Member, *, data: Data = None, config: Config = None) -> None:
    """Drop a member's old keys; whatever is signed with them is forwarded no more."""
    from protocol.rotation import retire as end

    folder = folder_of(data, config)
    row = end(folder, name)
    print(f"{name} signs with {fingerprint(base64.b64decode(row.keys[0]))} alone")
    print(f"give {folder}/roster.json to every host")


def fingerprint(public: bytes) -> str:
    """Return 16 hex digits that tell public keys apart."""
    return hashlib.sha256(public).hexdigest()[:16]
