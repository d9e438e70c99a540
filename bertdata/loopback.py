"""Processes of one machine reach each other directly, whatever proxy it has for the network."""

from __future__ import annotations

from collections.abc import Mapping

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def reach_loopback_directly(environment: Mapping[str, str]) -> dict[str, str]:
    """The same environment, in which no program asks a proxy for this machine's own addresses."""
    # Of the two spellings the small one counts where both are there.
    given = environment.get("no_proxy", environment.get("NO_PROXY", ""))
    for_grpc = environment.get("no_grpc_proxy", given)
    direct = _with_loopback(given)
    names = {"no_proxy": direct, "NO_PROXY": direct, "no_grpc_proxy": _with_loopback(for_grpc)}
    return {**environment, **names}


def _with_loopback(given: str) -> str:
    hosts = [host.strip() for host in given.split(",") if host.strip()]
    if "*" in hosts:
        return given
    return ",".join(dict.fromkeys((*hosts, *_LOOPBACK)))
