"""The watchdog bites once, only when nothing was heard for long enough."""

from __future__ import annotations

import threading
import time

from flows.processes.watchdog import Watchdog


def test_silence_is_bitten_once() -> None:
    bites: list[int] = []
    bitten = threading.Event()

    def bite() -> None:
        bites.append(1)
        bitten.set()

    with Watchdog(0.02, bite) as dog:
        assert bitten.wait(10)
        assert dog.has_bitten
    time.sleep(0.05)
    assert bites == [1]


def test_pats_and_the_end_hold_it_back() -> None:
    bites: list[int] = []
    with Watchdog(30, lambda: bites.append(1)) as dog:
        first = dog._timer
        dog.pat()
        assert first is not None
        first.join(10)  # ended by the pat
        last = dog._timer
    assert last is not None
    last.join(10)
    assert not bites
    assert not dog.has_bitten


def test_no_seconds_are_for_ever() -> None:
    with Watchdog(0, lambda: None) as dog:
        assert dog._timer is None
