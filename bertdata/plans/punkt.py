"""What the stage `punkt/` will do: sample the paragraphs of all corpora."""

from __future__ import annotations

from dataclasses import dataclass

from bertdata.corpus.config import InputUnit
from bertdata.plans.inputs import Corpora, describe_units, list_units
from bertdata.progress.plan import StagePlan
from bertdata.storage.locations import Location

PUNKT_FILE = "punkt.json"
_SAMPLE_BYTES = 8 << 20  # of text to train Punkt on: NLTK's trainer takes two seconds a megabyte


@dataclass(frozen=True, kw_only=True, slots=True)
class PunktWork:
    """Sample the paragraphs of `units` with probability `rate`; the model goes to `punkt.json`."""

    units: tuple[InputUnit, ...]
    rate: float


def plan_punkt(folder: Location, corpora: Corpora) -> StagePlan:
    """Sample the paragraphs of all corpora, to train a Punkt model. Raises InputError."""
    inputs = list_units(corpora)
    rate = min(1.0, _SAMPLE_BYTES / max(1, inputs.text_bytes))
    return StagePlan(
        stage="punkt",
        folder=folder,
        config={"corpus": inputs.config},
        inputs=inputs.files,
        units=describe_units(inputs.units),
        work=PunktWork(units=inputs.units, rate=rate),
        text_bytes=inputs.text_bytes,
    )
