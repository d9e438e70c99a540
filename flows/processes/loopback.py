"""Connections within this machine never go through the network's proxy."""

from __future__ import annotations

from collections.abc import Mapping

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def reach_loopback_directly(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, changed so that programs use no proxy for this machine's own addresses."""
    # Programs prefer the lower-case name where both are set.
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
