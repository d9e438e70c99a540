"""A database that another version of Prefect has changed is left alone."""

from __future__ import annotations

import contextlib
import sqlite3
from importlib import metadata, util
from pathlib import Path

import pytest

from flows.server.databases import find_databases


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_database_of_a_newer_version_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = tmp_path / "prefect.db"
    own = tmp_path / f"prefect-{metadata.version('prefect')}.db"
    assert list_databases(tmp_path)[:2] == [None, own]  # Prefect's own choice first
    assert not newer.exists()  # it was only looked for
    write_database(newer, known_revision())
    assert list_databases(tmp_path)[:2] == [None, own]
    assert capsys.readouterr().err == ""
    write_database(newer, "0123456789ab")
    before = newer.read_bytes()
    assert list_databases(tmp_path)[0] == own
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "prefect.db was used by a newer version of Prefect and is left unchanged" in error
    assert newer.read_bytes() == before


def list_databases(home: Path) -> list[Path | None]:
    """What a server with this home would try, one after the other."""
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL as URL
    from prefect.settings import PREFECT_HOME, temporary_settings

    with contextlib.ExitStack() as stack:
        stack.enter_context(temporary_settings({PREFECT_HOME: home}, restore_defaults={URL}))
        return list(find_databases(stack))


def known_revision() -> str:
    """A revision of the tables of the installed Prefect."""
    package = util.find_spec("prefect")
    assert package is not None
    assert package.origin is not None
    folder = Path(package.origin).parent / "server/database/_migrations/versions/sqlite"
    return sorted(folder.glob("*.py"))[-1].name.split("_")[4]


def write_database(path: Path, revision: str) -> None:
    """A database that says which revision its tables have."""
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES (?)", [revision])
        database.commit()
