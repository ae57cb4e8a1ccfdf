"""`comptoir key`: keys in a file, or in the copies of a folder, made, replaced, checked and revoked."""

import json
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from comptoir.access import Secrets, make_keys, make_secrets
from comptoir.cli import app, main
from comptoir.keys import KeyFiles, check, make, ours, revoke, rotate
from comptoir.suite import know_topology
from shared.keys import ACT_AS, ALL, FORM, SCOPES, WrongKeys, checksum, hashed, made, parsed, well_formed
from shared.messaging.topology import OPTIONAL, SERVICES
from shared.serve import NotHere
from shared.settings import WrongSetting

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def run(file: Path, *words: str, said: str = "") -> Result:
    environment = {"COMPTOIR_API_KEYS_FILE": str(file), "COLUMNS": "200"}
    return CliRunner().invoke(app, ["key", *words], input=said, env=environment)


def test_a_key_is_whole_or_it_is_none() -> None:
    keys = {made() for _ in range(50)}
    assert len(keys) == 50
    for key in keys:
        assert FORM.fullmatch(key)
        assert well_formed(key)
        for wrong in (key[:-1], f"{key}a", key.upper(), key.replace("comptoir_", "comptoir-"), f" {key}", f"{key}\n"):
            assert not well_formed(wrong)
        changed = key[:20] + ("a" if key[20] != "a" else "b") + key[21:]
        assert not well_formed(changed), "one letter that was misread"
    assert checksum("0" * 43) == "2CZclj", "the checksum that scanners look for stays"
    assert not well_formed("comptoir_" + "ä" * 49)


def test_a_key_is_shown_once_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "api_keys"
    made_ = run(file, "make", "shop-nl", "--scope", "orders:place", "--scope", "stock:read", "--channel", "web")
    assert made_.exit_code == 0, made_.output
    key = made_.stdout.strip()
    assert well_formed(key), "alone on standard output"
    kept = file.read_text()
    assert key not in kept
    assert key[9:] not in kept
    assert hashed(key) in kept
    assert stat.S_IMODE(file.stat().st_mode) == 0o444
    listed = run(file, "list").output
    for said in ("shop-nl", hashed(key)[:8], "orders:place, stock:read", "web", "never"):
        assert said in listed
    assert hashed(key) not in listed
    (as_json,) = [json.loads(line) for line in run(file, "list", "--json").stdout.splitlines()]
    assert (as_json["name"], as_json["scopes"]) == ("shop-nl", ["orders:place", "stock:read"])
    checked = run(file, "check", said=f"{key}\n")
    assert checked.exit_code == 0
    assert "shop-nl" in checked.output


def test_what_cannot_be_made_says_why_and_writes_nothing(tmp_path: Path) -> None:
    files = KeyFiles(tmp_path / "api_keys")
    make(files, "there", ["orders:read"], NOW)
    before = files.place.read_text()
    wrong: list[tuple[str, tuple[object, ...], dict[str, object]]] = [
        ("no scope orders:plaec", ("a", ["orders:plaec"]), {}),
        ("opens nothing", ("a", []), {}),
        ("name", ("Anna de Vries", ["orders:read"]), {}),
        ("name", ("", ["orders:read"]), {}),
        ("bound to a channel", ("a", ["orders:read", "money:read"]), {"channel": "web"}),
        ("before it was made", ("a", ["orders:read"]), {"expires_at": NOW}),
        ("rotate", ("there", ["orders:read"]), {}),
    ]
    for said, given, more in wrong:
        with pytest.raises((NotHere, WrongKeys), match=said):
            make(files, *given, NOW, **more)  # type: ignore[arg-type]
    with pytest.raises(NotHere, match="no key of the name nobody"):
        rotate(files, "nobody", NOW)
    with pytest.raises(NotHere, match="no key nobody"):
        revoke(files, "nobody")
    assert files.place.read_text() == before


def test_a_key_is_replaced_and_the_old_one_revoked(tmp_path: Path) -> None:
    files = KeyFiles(tmp_path / "api_keys")
    old = make(files, "shop", ["orders:place"], NOW, channel="web", per_minute=60)
    new = rotate(files, "shop", NOW + timedelta(hours=1))
    one, two = files.read()
    same = {"name", "scopes", "channel", "per_minute"}
    assert one.model_dump(include=same) == two.model_dump(include=same)
    assert check(files, old, NOW).id != check(files, new, NOW).id
    with pytest.raises(NotHere, match="rotate"):
        rotate(files, "shop", NOW)  # the old one is not revoked yet: three are a mess
    with pytest.raises(NotHere, match=f"2 keys: {one.id} of .*, {two.id} of"):
        revoke(files, "shop")
    assert [key.id for key in revoke(files, "shop", one.id)] == [one.id]
    with pytest.raises(NotHere, match="not known"):
        check(files, old, NOW)
    assert check(files, new, NOW).name == "shop"
    rotate(files, "shop", NOW)
    assert len(revoke(files, "shop", all_of_it=True)) == 2
    assert files.read() == ()


def test_a_key_that_is_none_or_over_is_told_apart(tmp_path: Path) -> None:
    files = KeyFiles(tmp_path / "api_keys")
    key = make(files, "shop", ["orders:place"], NOW, expires_at=NOW + timedelta(days=1))
    assert check(files, key, NOW).name == "shop"
    for given, now, said in (
        (key, NOW + timedelta(days=1), "expired at 2026-12-01"),
        (key[:-1], NOW, "no API key"),
        (made(), NOW, "not known here"),
    ):
        with pytest.raises(NotHere, match=said):
            check(files, given, now)
    files.place.chmod(0o600)
    assert run(files.place, "check", said="nothing").exit_code == 1


def test_keys_that_are_made_at_once_are_all_there(tmp_path: Path) -> None:
    files = KeyFiles(tmp_path / "api_keys")
    with ThreadPoolExecutor(16) as pool:
        keys = list(pool.map(lambda i: make(files, f"shop-{i}", ["orders:read"], NOW), range(32)))
    assert {key.sha256 for key in files.read()} == {hashed(key) for key in keys}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "Invalid JSON"),
        ('{"keys": [{"name": "a"}]}', "keys.0.sha256: Field required"),
        ('{"keys": [], "key": []}', "key: Extra inputs"),
        ("[]", "should be an object|Keys"),
        ("", "is empty"),
    ],
)
def test_a_wrong_file_is_named_and_stays_as_it_is(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "api_keys"
    file.write_text(content)
    for work in (lambda: KeyFiles(file).read(), lambda: make(KeyFiles(file), "a", ["orders:read"], NOW)):
        with pytest.raises((WrongKeys, WrongSetting), match=f"(api_keys|--file).*({said})"):
            work()
    assert file.read_text() == content


def test_a_key_in_the_place_of_its_hash_is_not_said_again() -> None:
    secret = made()
    with pytest.raises(WrongKeys) as refused:
        parsed(json.dumps({"keys": [{"name": "a", "sha256": secret, "scopes": [], "made_at": "2026-01-01T00:00Z"}]}))
    assert "keys.0.sha256" in str(refused.value)
    assert secret not in str(refused.value)


# The folder of `comptoir access secrets`


def test_every_service_gets_the_same_file_and_our_own_programs_their_keys(tmp_path: Path) -> None:
    know_topology(*OPTIONAL)
    kept = Secrets(tmp_path)
    make_secrets(kept, "postgres:5432", "rabbitmq:5672")
    copies = {(tmp_path / service / "api_keys").read_text() for service in SERVICES}
    assert len(copies) == 1
    files = KeyFiles(tmp_path)
    for consumer in ("backoffice", "tools"):
        found = check(files, kept.read(consumer, "api_key"), NOW + timedelta(days=10_000))
        assert (found.name, set(found.scopes)) == (consumer, {ALL, ACT_AS})
        assert all(found.may(scope) for scope in SCOPES)
    holders = {path.parent.name for path in tmp_path.rglob("api_key*")}
    assert holders == {*SERVICES, "backoffice", "tools"}


def test_a_run_that_was_cut_off_goes_on_and_what_was_revoked_stays_so(tmp_path: Path) -> None:
    kept, files = Secrets(tmp_path), KeyFiles(tmp_path)
    ours(files, "backoffice", NOW)  # and then it was killed: the key went nowhere
    assert make_keys(kept, NOW) > 0
    check(files, kept.read("backoffice", "api_key"), NOW)
    known = files.read()
    assert make_keys(kept, NOW) == 0
    assert files.read() == known, "none is made for who has one"
    revoke(files, "tools")
    assert make_keys(kept, NOW) == 0
    with pytest.raises(NotHere, match="not known"):
        check(files, kept.read("tools", "api_key"), NOW)
    (tmp_path / "tools" / "api_key").unlink()
    make_keys(kept, NOW)
    check(files, kept.read("tools", "api_key"), NOW)


def test_copies_that_differ_are_alike_after_the_next_change(tmp_path: Path) -> None:
    """A command that was killed between two copies: what only one of them knows is not forgotten."""
    files = KeyFiles(tmp_path)
    key = make(files, "shop", ["orders:read"], NOW)
    other = tmp_path / "order" / "api_keys"
    other.unlink()
    other.write_text('{"keys": []}')
    assert check(files, key, NOW).name == "shop"
    revoke(files, "shop")
    for service in SERVICES:
        assert json.loads((tmp_path / service / "api_keys").read_text()) == {"keys": []}


# Starting


def test_a_wrong_file_stops_the_start_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "api_keys"
    file.write_text('{"keys": [{"name": "a"}]}')
    monkeypatch.setenv("COMPTOIR_API_KEYS_FILE", str(file))
    done = subprocess.run(
        [sys.executable, "-m", "comptoir", "serve", "order"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr == "wrong settings: COMPTOIR_API_KEYS: keys.0.sha256: Field required\n"


def test_a_mistake_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["comptoir", "key", "revoke", "nobody", "--file", str(tmp_path / "api_keys")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
