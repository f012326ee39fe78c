"""What may be on disk after a loss of power, at any moment between two calls that change files.

A file system keeps the content of a file that was fsynced and the names of a folder that was. All
else may be lost or kept: here it is lost as far as possible, or the names are kept and what the
files held is lost, or each folder decides for itself.
"""

import os
import random
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

Names = dict[str, int]
"""Name in a folder to inode."""

Tree = dict[str, bytes | None]
"""Relative path to content, None for a folder."""

CALLS = ("fsync", "rename", "replace", "link", "unlink", "mkdir", "rmdir", "write")


@dataclass
class Disk:
    """Follows every change below `root` until `stop`; `moments` are called between the changes.

    Attributes:
        root: a folder that is there, and durable.
        moments: called with the name of the call before and after each.
        files: durable content by inode; a file that was never fsynced is not there.
        folders: durable names by inode.
    """

    root: Path
    moments: Callable[["Disk"], None]
    calls: list[str] = field(default_factory=list)
    files: dict[int, bytes] = field(default_factory=dict)
    folders: dict[int, Names] = field(default_factory=dict)
    kept: dict[int, int] = field(default_factory=dict)

    def follow(self, patch: pytest.MonkeyPatch) -> None:
        """Look on at the calls of `os` until the patch is undone."""
        for path in [self.root, *self.root.rglob("*")]:
            self._hold(path)
            if path.is_dir():
                self.folders[path.stat().st_ino] = names(path)
            else:
                self.files[path.stat().st_ino] = path.read_bytes()
        for name in CALLS:
            patch.setattr(os, name, self._followed(name, getattr(os, name)))

    def close(self) -> None:
        """Give back the inodes that were kept from being used again."""
        for descriptor in self.kept.values():
            os.close(descriptor)

    def _followed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def followed(*arguments: Any, **named: Any) -> Any:
            ours = name not in ("fsync", "write") or self._ours(arguments[0])
            if not ours:
                return call(*arguments, **named)
            self.moments(self)
            done = call(*arguments, **named)
            self.calls.append(name)
            if name == "fsync":
                self._fsync(arguments[0])
            elif name == "mkdir" and Path(arguments[0]).is_relative_to(self.root):
                self._hold(Path(arguments[0]))
            self.moments(self)
            return done

        return followed

    def _ours(self, descriptor: int) -> bool:
        return Path(os.readlink(f"/proc/self/fd/{descriptor}")).is_relative_to(self.root)

    def _fsync(self, descriptor: int) -> None:
        about, here = os.fstat(descriptor), Path(f"/proc/self/fd/{descriptor}")
        if stat.S_ISDIR(about.st_mode):
            self.folders[about.st_ino] = names(here)
            for path in here.iterdir():
                self._hold(path)
        else:
            self._hold(here)
            self.files[about.st_ino] = here.read_bytes()

    def _hold(self, path: Path) -> None:
        """Keep an inode open: another file must not get its number."""
        inode = path.stat().st_ino
        if inode not in self.kept:
            self.kept[inode] = os.open(path, os.O_RDONLY)

    def lost(self) -> Tree:
        """Only what is durable."""
        return dict(self._walk(self.root, lambda folder: self.folders.get(ino(folder), {})))

    def emptied(self) -> Tree:
        """Every name, and only the durable content."""
        return dict(self._walk(self.root, names))

    def mixed(self, rng: random.Random) -> Tree:
        """Each folder is as it is, or as it was when it was fsynced."""

        def either(folder: Path) -> Names:
            return names(folder) if rng.random() < 0.5 else self.folders.get(ino(folder), {})

        return dict(self._walk(self.root, either))

    def _walk(
        self, root: Path, entries: Callable[[Path], Names]
    ) -> Iterator[tuple[str, bytes | None]]:
        """Walk by inode: what a folder held may have moved since."""

        def walk(inode: int, at: str) -> Iterator[tuple[str, bytes | None]]:
            for name, child in entries(Path(f"/proc/self/fd/{self.kept[inode]}")).items():
                path = f"{at}/{name}" if at else name
                if child in self.kept and stat.S_ISDIR(os.fstat(self.kept[child]).st_mode):
                    yield path, None
                    yield from walk(child, path)
                else:  # a file that was never fsynced has nothing in it
                    yield path, self.files.get(child, b"")

        yield from walk(ino(root), "")


def ino(path: Path) -> int:
    return path.stat().st_ino


def names(folder: Path) -> Names:
    """The names of a folder as they are now."""
    with os.scandir(folder) as entries:
        return {entry.name: entry.inode() for entry in entries}


def build(tree: Tree, folder: Path) -> None:
    """Make the files of a tree."""
    for path, content in tree.items():
        place = folder / path
        if content is None:
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
