"""A server that does not answer: what is shown there is not worth losing a run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import httpx
from prefect import get_run_logger
from prefect.exceptions import PrefectException


@contextlib.contextmanager
def log_lost_server() -> Iterator[None]:
    """A context in which an error of Prefect's server is only logged."""
    try:
        yield
    except (httpx.HTTPError, PrefectException) as error:
        get_run_logger().warning(f"Prefect's pages lack something of this run: {error}")
