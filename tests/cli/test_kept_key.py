"""The key of customers' links where nobody has set one: made once, for whoever runs the suite."""

from pathlib import Path

from comptoir.commands import kept_key


def test_the_key_is_made_once_and_is_nobody_elses(tmp_path: Path) -> None:
    file = tmp_path / "link_key"
    key = kept_key(file)
    assert len(key) >= 32
    assert file.stat().st_mode & 0o077 == 0
    assert kept_key(file) == key
    file.write_text("")  # cut off while it was made
    assert len(kept_key(file)) >= 32
