"""Write `run.txt`, `test.txt` and `docs.txt`: what pyproject.toml asks for, as it is installed."""

from __future__ import annotations

import importlib.metadata
import tomllib
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDER = Path(__file__).parent


def main() -> None:
    """Write all files again."""
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    run = installed_closure(
        [*project["dependencies"], *extras["pipeline"], *extras["web"], *extras["train"]]
    )
    test = installed_closure([*extras["test"], *extras["check"]])
    # The package itself is installed with what is there, so its build backend is pinned too.
    run["setuptools"] = importlib.metadata.version("setuptools")
    write("run.txt", "What a run needs", run)
    write("test.txt", "What tests and checks need beyond run.txt", beyond(run, test))
    docs = installed_closure(extras["docs"])
    write("docs.txt", "What `make docs` needs beyond run.txt", beyond(run, docs))


def beyond(run: dict[str, str], others: dict[str, str]) -> dict[str, str]:
    """Those of the others that are not among what a run needs."""
    return {name: version for name, version in others.items() if name not in run}


def installed_closure(requirements: Iterable[str]) -> dict[str, str]:
    """Versions of the requirements and of all they require, as installed, without build tags."""
    versions: dict[str, str] = {}
    waiting = [Requirement(text) for text in requirements]
    seen: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        key = f"{name}[{','.join(sorted(requirement.extras))}]"
        if key in seen:
            continue
        seen.add(key)
        distribution = importlib.metadata.distribution(name)
        versions[name] = distribution.version.split("+")[0]
        waiting += wanted(distribution, requirement.extras)
    return versions


def wanted(
    distribution: importlib.metadata.Distribution, extras: Iterable[str]
) -> list[Requirement]:
    """What a distribution requires here, with these extras."""
    parsed = [Requirement(text) for text in distribution.requires or ()]
    choices = ["", *extras]
    return [
        requirement
        for requirement in parsed
        if requirement.marker is None
        or any(requirement.marker.evaluate({"extra": extra}) for extra in choices)
    ]


def write(name: str, title: str, versions: dict[str, str]) -> None:
    """One pinned package a line."""
    lines = [f"{package}=={version}" for package, version in sorted(versions.items())]
    header = f"# {title}: every package pinned. Renew with `make lock`."
    (FOLDER / name).write_text("\n".join([header, *lines]) + "\n")


if __name__ == "__main__":
    main()
