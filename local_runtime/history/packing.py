"""Many numbers in few bytes: as four-byte floats, in the order of a named set of metrics."""

import json
import struct
import zlib
from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256

from autorecovery.models.readings import Spread

Names = tuple[str, ...]


def fingerprint(names: Names) -> str:
    """Return what a set of metrics is found by."""
    return sha256(json.dumps(names).encode()).hexdigest()


def pack_values(values: Sequence[float]) -> bytes:
    """Return one sample's values packed."""
    return struct.pack(f"<{len(values)}f", *values)


def unpack_values(content: bytes) -> tuple[float, ...]:
    """Return the values again, each right to seven digits."""
    return struct.unpack(f"<{len(content) // 4}f", content)


def pack_spreads(spreads: Sequence[Spread]) -> bytes:
    """Return spreads packed and compressed: what does not change takes next to nothing."""
    numbers = [number for s in spreads for number in (s.least, s.mean, s.most, s.p95)]
    return zlib.compress(pack_values(numbers), 1)


def unpack_spreads(
    content: bytes, names: Names, wanted: Collection[str] | None
) -> dict[str, Spread]:
    """Return the spreads of the metrics that are wanted, or of all."""
    numbers = unpack_values(zlib.decompress(content))
    return {
        name: Spread(*numbers[4 * index : 4 * index + 4])
        for index, name in enumerate(names)
        if wanted is None or name in wanted
    }


def unpack_row(
    content: bytes, names: Names, wanted: Collection[str] | None, *, is_raw: bool
) -> dict[str, Spread]:
    """Return what a row says of the metrics that are wanted, or of all."""
    if not is_raw:
        return unpack_spreads(content, names, wanted)
    return {
        name: Spread(value, value, value, value)
        for name, value in zip(names, unpack_values(content), strict=True)
        if wanted is None or name in wanted
    }


def storable(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics by name, without what four bytes cannot hold."""
    return {name: metrics[name] for name in sorted(metrics) if abs(metrics[name]) < 3e38}
