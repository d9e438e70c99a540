"""The name and the tags of a run on the user's Prefect server."""

from __future__ import annotations

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext

from flows.config import Run
from flows.pages.lost_server import log_lost_server
from flows.wording import size

_MAX_NAMES = 3
_SIZES = (10**6, 10**7, 10**8, 10**9, 10**10, 10**11, 10**12)


def label_run(run: Run, text_bytes: int = 0) -> None:
    """Name the flow run under way after its corpora and its text, and tag it with them.

    `text_bytes`: of the corpora, about; 0 if it is not known yet.
    """
    context = FlowRunContext.get()
    name = _make_name(run, text_bytes)
    if context is None or context.flow_run is None or context.flow_run.name == name:
        return
    tags = {*context.flow_run.tags, *_make_tags(run, text_bytes)}
    with log_lost_server():
        client = get_client(sync_client=True)
        client.update_flow_run(context.flow_run.id, name=name, tags=sorted(tags))
    context.flow_run.name = name


def _make_name(run: Run, text_bytes: int) -> str:
    """ "books, news (16.6 MB) in /data/runs/demo"."""
    names = [corpus.name for corpus in run.config.corpus]
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    text = f" ({size(text_bytes)})" if text_bytes else ""
    return f"{', '.join(names[:_MAX_NAMES])}{more}{text} in {run.paths.output}"


def _make_tags(run: Run, text_bytes: int) -> list[str]:
    """ "bertdata", "corpus: books", "text: up to 100 MB"; runs are filtered by them."""
    tags = ["bertdata", *(f"corpus: {corpus.name}" for corpus in run.config.corpus)]
    limits = [limit for limit in _SIZES if text_bytes <= limit]
    if text_bytes:
        tags.append(f"text: up to {limits[0] // 10**6:,} MB" if limits else "text: over 1 TB")
    return tags
