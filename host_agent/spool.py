"""Batches that wait on disk for the hub: in order, bounded, whole or not there at all."""

import json
import os
from collections import deque
from pathlib import Path
from typing import Any

Document = dict[str, Any]

MOST_IN_MEMORY = 40
"""Batches kept where the disk takes none: ten minutes of them."""


class Spool:
    """A folder with one file for each batch, named by its turn.

    A file gets its name when it is whole, so that whenever the agent is killed, what can be seen is
    readable. Where the disk is full the youngest wait in memory.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._files: deque[tuple[Path, int]] = deque()
        self._memory: deque[Document] = deque()
        self._turn = 0
        self.dropped = 0
        """Batches given up so far, the oldest first, because the bound was reached."""
        self.trouble = ""
        """Why the disk takes none at present."""
        self._open()

    def __len__(self) -> int:
        return len(self._files) + len(self._memory)

    def put(self, batch: Document) -> None:
        """Have the batch wait behind all others."""
        self._memory.append(batch)
        while self._memory and self._write(self._memory[0]):
            self._memory.popleft()
        while len(self._memory) > MOST_IN_MEMORY:
            self._memory.popleft()
            self.dropped += 1
        while len(self._files) > 1 and sum(size for _, size in self._files) > self._most_bytes:
            self._remove_oldest_file()
            self.dropped += 1

    def oldest(self) -> Document | None:
        """Return the batch whose turn it is; a file that became unreadable is passed over."""
        while self._files:
            try:
                found = json.loads(self._files[0][0].read_bytes())
                if isinstance(found, dict):
                    return found
            except (OSError, ValueError):
                pass  # the disk lost it: the next one's turn
            self._remove_oldest_file()
            self.dropped += 1
        return self._memory[0] if self._memory else None

    def remove_oldest(self) -> None:
        """Forget the batch that `oldest` returned."""
        if self._files:
            self._remove_oldest_file()
        elif self._memory:
            self._memory.popleft()

    def _open(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for unfinished in self._folder.glob("*.part"):
                unfinished.unlink()
            found = sorted(self._folder.glob("*.json"))
            self._files.extend((path, path.stat().st_size) for path in found)
        except OSError as error:
            self.trouble = f"{self._folder}: {error.strerror}"
        names = [path.stem for path, _ in self._files if path.stem.isdigit()]
        self._turn = int(names[-1]) + 1 if names else 0

    def _write(self, batch: Document) -> bool:
        path = self._folder / f"{self._turn:016d}.json"
        part = path.with_suffix(".part")
        content = json.dumps(batch, separators=(",", ":")).encode()
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
        except OSError as error:
            self.trouble = f"{self._folder}: {error.strerror}"
            _discard(part)
            return False
        self.trouble = ""
        self._turn += 1
        self._files.append((path, len(content)))
        return True

    def _remove_oldest_file(self) -> None:
        _discard(self._files.popleft()[0])


def _discard(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return  # a read-only disk: it is forgotten, and sent again after a restart, with its key
