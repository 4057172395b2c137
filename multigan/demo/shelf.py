"""The models that can be chosen: opened when they are first asked for, and kept."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

from multigan.demo import finding
from multigan.demo.served import Served, open_served, stamp_of
from multigan.errors import UserError

UPLOADS = 4
"""Models of visitors that are held at once: the one used longest ago goes first."""

log = logging.getLogger("multigan")


class Shelf:
    """Models by name. find: gives the files, now and whenever they are looked for again. device: as `load` takes it.

    A model that was opened is served from its bytes until `look_again`, whatever becomes of its file.
    """

    def __init__(self, find: Callable[[], Sequence[Path]], device: str = "auto"):
        self._find, self._device = find, device
        self._paths = finding.names(find())
        self._opened: dict[str, Served] = {}
        self._uploads: OrderedDict[str, Served] = OrderedDict()
        self._lock = threading.Lock()
        self._opening: dict[str, threading.Lock] = {}

    def names(self) -> list[str]:
        """Of all models but those of visitors."""
        with self._lock:
            return list(self._paths)

    def first(self) -> Served:
        """The first model that can be opened, without those before it. Raises UserError where none can."""
        refusals: list[UserError] = []
        for name in self.names():
            try:
                served = self.get(name)
            except UserError as error:
                refusals.append(error)
                continue
            for refusal in refusals:
                log.warning("left out: %s", refusal)
            with self._lock:
                for left_out in list(self._paths)[: len(refusals)]:
                    del self._paths[left_out]
            return served
        raise refusals[0]

    def get(self, name: str) -> Served:
        """A model by its name; the first for an empty one. Raises UserError where there is none or its file is bad."""
        with self._lock:
            name = name or next(iter(self._paths))
            if name in self._uploads:
                self._uploads.move_to_end(name)
                return self._uploads[name]
            if name in self._opened:
                return self._opened[name]
            if name not in self._paths:
                raise UserError(f"there is no model {name[:80]!r} any more: choose one of {', '.join(self._paths)}.")
            path = self._paths[name]
            opening = self._opening.setdefault(name, threading.Lock())
        with opening:  # several visitors who choose it at once wait for one reading
            with self._lock:
                if name in self._opened:
                    return self._opened[name]
            served = open_served(path, name, self._device)
            with self._lock:
                self._opened[name] = served
        return served

    def upload(self, path: Path, name: str) -> Served:
        """Open a visitor's file, which is not needed afterwards. Raises UserError where it is refused."""
        try:
            served = open_served(path, name, self._device, uploaded=True)
        except UserError as error:  # where the server put it is of no use to the visitor
            raise UserError(str(error).replace(str(path), name)) from error
        unique = f"{Path(name).stem[:60]} ({served.digest[:12]})"  # whoever knows the name has had the file
        served = Served(unique, Path(name), served.generator, served.digest, served.stamp, uploaded=True)
        with self._lock:
            self._uploads[unique] = served
            self._uploads.move_to_end(unique)
            while len(self._uploads) > UPLOADS:
                self._uploads.popitem(last=False)
        return served

    def holds(self, name: str) -> bool:
        """Whether a visitor's model is still held."""
        with self._lock:
            return name in self._uploads

    def look_again(self) -> list[str]:
        """Find the files anew and open again those that have changed; a sentence on each that was new or is gone.

        What cannot be opened any more goes on being served as it was.
        """
        kept = dict(self._paths)
        try:
            paths = finding.names(self._find())
            said = [f"new: {name}" for name in paths if name not in kept]
        except UserError as error:
            paths, said = dict(kept), [str(error).removesuffix(".")]
        for name, served in list(self._opened.items()):
            here = paths.setdefault(name, kept.get(name, served.path))
            stamp = stamp_of(here)
            if stamp is None:
                said.append(f"gone from the disk, still served: {name}")
            elif stamp != served.stamp:
                try:
                    self._opened[name] = open_served(here, name, self._device)
                    said.append(f"read again: {name}")
                except UserError as error:
                    said.append(f"still served as it was: {name} ({str(error).removesuffix('.')})")
        with self._lock:
            self._paths = paths
        return said or ["nothing has changed"]
