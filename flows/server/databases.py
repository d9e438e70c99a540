"""Databases for a temporary Prefect server: never one that another version has changed."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path


def find_databases(stack: contextlib.ExitStack) -> Iterator[Path | None]:
    """Databases to try: Prefect's own choice (None), then ones that no other version uses."""
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, PREFECT_HOME

    home = PREFECT_HOME.value()
    own = home / f"prefect-{metadata.version('prefect')}.db"
    if PREFECT_API_DATABASE_CONNECTION_URL.value() != database_url(home / "prefect.db"):
        yield None  # the user's own
        return
    if _is_of_another_version(home / "prefect.db"):
        say_why(
            f"{home / 'prefect.db'} was used by a newer version of Prefect and is left unchanged",
            own,
        )
    else:
        yield None
    yield own
    yield Path(stack.enter_context(tempfile.TemporaryDirectory())) / "prefect.db"


def _is_of_another_version(database: Path) -> bool:
    """Whether a database has tables of a revision unknown to the installed Prefect."""
    revision = _revision(database)
    package = util.find_spec("prefect")
    if revision is None or package is None or package.origin is None:
        return False
    known = Path(package.origin).parent.glob("server/database/_migrations/versions/sqlite/*.py")
    texts = [path.read_text(encoding="utf-8") for path in known]
    return bool(texts) and not any(revision in text for text in texts)


def _revision(database: Path) -> str | None:
    """The revision of a database's tables, or None; reading does not change it."""
    with contextlib.suppress(sqlite3.Error, TypeError):
        uri = f"{database.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return str(revision)
    return None


def say_why(why: str, database: Path) -> None:
    """Say on stderr why a run has a database of its own."""
    print(f"bertdata: {why}; its records of this run are in {database}", file=sys.stderr)


def database_url(database: Path) -> str:
    """A database as it is described to Prefect."""
    return f"sqlite+aiosqlite:///{database}"
