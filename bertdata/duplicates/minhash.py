"""MinHash signatures of texts, and the bands that make similar texts candidates (Broder, 1997).

A text is the set of its runs of five words, in lower case; Han, kana and Thai characters are words
of their own. The share of equal places in two signatures estimates the share of runs that two
texts have in common (Jaccard). Two texts are compared if all five places of one of the 25 bands are
equal (locality-sensitive hashing): with probability 0.9999 if they share 80% of their runs, with
0.55 if they share half of them.
"""

from __future__ import annotations

import re
import zlib

import numpy as np

from bertdata.arrays import Float64Array, UInt32Array, UInt64Array
from bertdata.randomness import derive_key, derive_keys, mix_array

NUM_BANDS = 25
_BAND_PLACES = 5
NUM_PLACES = NUM_BANDS * _BAND_PLACES
_RUN_WORDS = 5
_RUNS_AT_ONCE = 2048

_ALONE = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_ALONE}]|[^\W{_ALONE}]+")


def make_signature(text: str) -> UInt32Array:
    """The signature of a text: NUM_PLACES numbers."""
    runs = _hash_runs(text.lower())
    minima = np.full(NUM_PLACES, np.iinfo(np.uint64).max, dtype=np.uint64)
    for start in range(0, len(runs), _RUNS_AT_ONCE):
        some = runs[start : start + _RUNS_AT_ONCE, np.newaxis]
        np.minimum(minima, (some * _FACTORS + _TERMS).min(axis=0), out=minima)
    return (minima >> np.uint64(32)).astype(np.uint32)


def make_band_keys(signatures: UInt32Array) -> UInt64Array:
    """Keys of each signature (rows) per band (columns); texts with an equal key are candidates."""
    places = signatures.astype(np.uint64).reshape(len(signatures), NUM_BANDS, _BAND_PLACES)
    keys = np.zeros(places.shape[:2], dtype=np.uint64)
    for place in range(_BAND_PLACES):
        keys = mix_array(keys * _FACTORS[0] + places[:, :, place])
    return keys


def estimate_similarity(first: UInt32Array, second: UInt32Array) -> Float64Array:
    """The estimated share of common runs of pairs of signatures (rows)."""
    return np.asarray((first == second).mean(axis=-1))


def _hash_runs(text: str) -> UInt64Array:
    codes = [zlib.crc32(word.encode("utf-8", "surrogatepass")) for word in _WORD.findall(text)]
    words = mix_array(np.array(codes, dtype=np.uint64) + np.uint64(1))
    if not len(words):
        return words
    length = min(_RUN_WORDS, len(words))
    runs = np.zeros(len(words) - length + 1, dtype=np.uint64)
    for place in range(length):
        runs = mix_array(runs + words[place : place + len(runs)])
    return np.unique(runs)


_KEYS = derive_keys(derive_key(0, "minhash"), np.arange(2 * NUM_PLACES))
_FACTORS = _KEYS[:NUM_PLACES] | np.uint64(1)
_TERMS = _KEYS[NUM_PLACES:]
