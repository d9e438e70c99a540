"""Reading compressed files: whole, in several members, cut short, damaged, followed by garbage."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from bertdata.corpus import compression
from bertdata.corpus.compression import BLOCK_BYTES, is_compressed, read_blocks, read_range
from bertdata.errors import InputError

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": partial(bz2.compress, compresslevel=1),
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
    "": bytes,
}
SUFFIXES = [suffix for suffix in COMPRESS if suffix]
# Hard to compress, so that half a file holds text.
CONTENT = b"".join(os.urandom(24).hex().encode() + b"\n" for _ in range(8_000))


def write(folder: Path, suffix: str, data: bytes) -> Path:
    path = folder / f"file.txt{suffix}"
    path.write_bytes(data)
    return path


def read_until_damage(path: Path) -> tuple[bytes, str]:
    blocks = []
    with pytest.raises(InputError) as raised:
        blocks.extend(read_blocks(path))
    return b"".join(blocks), str(raised.value)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_what_went_in_comes_out(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path, suffix, COMPRESS[suffix](CONTENT))
    blocks = list(read_blocks(path))
    assert b"".join(blocks) == CONTENT
    assert all(blocks)
    assert is_compressed(path) == bool(suffix)


def test_the_suffix_may_be_in_capitals(tmp_path: Path) -> None:
    path = write(tmp_path, ".GZ", gzip.compress(b"text"))
    assert list(read_blocks(path)) == [b"text"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_members_follow_each_other(tmp_path: Path, suffix: str) -> None:
    members = [b"one ", b"", b"two ", CONTENT[:100_000]]
    path = write(tmp_path, suffix, b"".join(map(COMPRESS[suffix], members)))
    assert b"".join(read_blocks(path)) == b"".join(members)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_zero_padding_is_passed_over(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path, suffix, COMPRESS[suffix](b"text") + bytes(100_000))
    assert b"".join(read_blocks(path)) == b"text"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_members_after_long_padding_are_read(tmp_path: Path, suffix: str) -> None:
    member = COMPRESS[suffix](b"text")
    padding = bytes(100_000 // 4 * 4)  # xz pads by four bytes
    path = write(tmp_path, suffix, member + padding + member)
    assert b"".join(read_blocks(path)) == b"texttext"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_tiny_members_are_joined(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path, suffix, COMPRESS[suffix](b"t") * 10_000 + b"damage")
    blocks = []
    with pytest.raises(InputError, match="10,000 uncompressed bytes"):
        blocks.extend(read_blocks(path))
    assert b"".join(blocks) == b"t" * 10_000
    assert len(blocks) <= 4


def test_zstd_frames_without_a_size_and_skippable_ones(tmp_path: Path) -> None:
    streaming = zstandard.ZstdCompressor().compressobj()
    frame = streaming.compress(CONTENT) + streaming.flush()
    skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00note"
    path = write(tmp_path, ".zst", frame + skippable + frame)
    assert b"".join(read_blocks(path)) == CONTENT * 2


def test_zstd_windows_beyond_the_usual_limit(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=28)
    streaming = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    path = write(tmp_path, ".zst", streaming.compress(CONTENT) + streaming.flush())
    with pytest.raises(zstandard.ZstdError, match="too much memory"):
        zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    assert b"".join(read_blocks(path)) == CONTENT


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_cut_short_yields_what_it_has_then_fails(tmp_path: Path, suffix: str) -> None:
    whole = COMPRESS[suffix](CONTENT)
    path = write(tmp_path, suffix, whole[: len(whole) // 2])
    text, message = read_until_damage(path)
    assert len(text) > len(CONTENT) // 5
    assert CONTENT.startswith(text)
    assert str(path) in message
    assert f"compressed byte {len(whole) // 2:,}, after {len(text):,} uncompressed" in message
    assert "\n" not in message


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_the_last_byte_is_noticed(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path, suffix, COMPRESS[suffix](b"text " * 100)[:-1])
    read_until_damage(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("data", [b"", b"this is no archive at all", bytes(50)])
def test_what_is_not_an_archive_is_refused(tmp_path: Path, suffix: str, data: bytes) -> None:
    text, message = read_until_damage(write(tmp_path, suffix, data))
    assert text == b""
    assert "damaged or cut short" in message


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_garbage_after_the_end_is_damage_not_an_end(tmp_path: Path, suffix: str) -> None:
    whole = COMPRESS[suffix](b"text")
    text, message = read_until_damage(write(tmp_path, suffix, whole + b"more text, plain"))
    assert text == b"text"
    assert "damaged" in message


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_a_flipped_byte_is_noticed(tmp_path: Path, suffix: str) -> None:
    damaged = bytearray(COMPRESS[suffix](CONTENT))
    damaged[len(damaged) // 2] ^= 0xFF
    read_until_damage(write(tmp_path, suffix, bytes(damaged)))


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_blocks_are_bounded_however_well_a_file_packs(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path, suffix, COMPRESS[suffix](bytes(5 * BLOCK_BYTES)))
    sizes = [len(block) for block in read_blocks(path)]
    assert sum(sizes) == 5 * BLOCK_BYTES
    assert max(sizes) <= BLOCK_BYTES


def test_a_zstd_block_is_bounded_too(tmp_path: Path) -> None:
    path = write(tmp_path, ".zst", COMPRESS[".zst"](bytes(200 << 20)))
    sizes = [len(block) for block in read_blocks(path, max_ratio=1 << 20)]
    assert sum(sizes) == 200 << 20
    assert max(sizes) <= 40 << 20


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_bombs_are_bounded(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "FREE_BYTES", 2 << 20)
    path = write(tmp_path, suffix, COMPRESS[suffix](bytes(8 << 20)))
    assert sum(map(len, read_blocks(path, max_ratio=1 << 20))) == 8 << 20
    blocks: list[bytes] = []
    with pytest.raises(InputError, match=r"over 100 times what went in: a bomb"):
        blocks.extend(read_blocks(path, max_ratio=100))
    assert sum(map(len, blocks)) <= 2 << 20


@pytest.mark.parametrize("name", ["missing.txt", "missing.txt.gz"])
def test_a_missing_file_and_a_folder_are_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"cannot read .*{name}: No such file"):
        list(read_blocks(tmp_path / name))
    with pytest.raises(InputError, match="Is a directory"):
        list(read_blocks(tmp_path))


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that fails to read")
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_device_that_fails_is_one_line(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"file{suffix}"
    path.symlink_to("/proc/self/mem")
    with pytest.raises(InputError, match=f"cannot read {path}: Input/output error"):
        list(read_blocks(path))


def test_a_range_is_what_lies_there(tmp_path: Path) -> None:
    path = write(tmp_path, "", CONTENT)
    assert b"".join(read_range(path, 7, 100_007)) == CONTENT[7:100_007]
    assert b"".join(read_range(path, 7, None)) == CONTENT[7:]
    with pytest.raises(InputError, match=r"ends at byte .* when planned"):
        list(read_range(path, 0, len(CONTENT) + 1))


@settings(max_examples=15, deadline=None)
@given(data=st.binary(max_size=300), cut=st.integers(0, 300))
def test_no_prefix_of_an_archive_passes_for_whole(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, cut: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    for suffix in SUFFIXES:
        whole = COMPRESS[suffix](data)
        path = write(folder, suffix, whole[: min(cut, len(whole) - 1)])
        text, _ = read_until_damage(path)
        assert data.startswith(text)
