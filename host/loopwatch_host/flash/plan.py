"""What has to be done to a board so that it runs a given firmware: decided here, done in transfer.py.

The slot in force is never touched while it is the board's best. One that is still on trial gives way first
to the other, older one, and is then written again. Files whose hash is right stay; those that the other slot has are
copied on the board; only the rest is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from loopwatch import slots

from .board import OLD_PACKAGE, SCRIPTS, Contents, Facts, Pointer, in_slot, other
from .prompt import FlashError

SPARE_BLOCKS_N = 8  # for the small files beside the slots, and what the file system itself needs


@dataclass(frozen=True)
class Plan:
    """The changes, in the order in which they are made. Paths in keep, copy and send are those of the firmware.

    park: a pointer to put in force before anything else, so that the slot may be written. copy: by where each file
    comes from. remove: paths on the board. switch: the new pointer, None when it is right. stale: removed at the end.
    """

    slot: str
    park: Pointer | None
    keep: tuple[str, ...]
    copy: dict[str, str]
    send: dict[str, bytes]
    remove: tuple[str, ...]
    scripts: dict[str, bytes]
    switch: Pointer | None
    stale: tuple[str, ...]
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def fills_slot(self) -> bool:
        """Whether anything in the slot changes."""
        return bool(self.copy or self.send or self.remove)

    @property
    def changes(self) -> bool:
        """Whether anything at all changes on the board."""
        return self.fills_slot or bool(self.park or self.scripts or self.switch or self.stale)

    @property
    def send_n(self) -> int:
        """Bytes to send."""
        return sum(len(data) for data in (*self.send.values(), *self.scripts.values()))


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def worth_hashing(firmware: dict[str, bytes], found: Contents) -> list[str]:
    """Paths on the board that may already be a file of this firmware: those of its size in its place."""
    paths = [path for path in SCRIPTS if found.sizes_n.get(path) == len(firmware[path])]
    for slot in slots.NAMES:
        places = ((in_slot(slot, path), data) for path, data in firmware.items() if path not in SCRIPTS)
        paths += [place for place, data in places if found.sizes_n.get(place) == len(data)]
    return paths


def make(firmware: dict[str, bytes], found: Contents) -> Plan:
    """Plan for a board with these contents, whose digests are those of worth_hashing()."""
    package = {path: data for path, data in firmware.items() if path not in SCRIPTS}
    wanted = {path: digest(data) for path, data in package.items()}

    def has(slot: str, path: str) -> bool:
        return found.digests.get(in_slot(slot, path)) == wanted[path]

    def up_to_date(slot: str) -> bool:
        return found.whole(slot) and all(has(slot, path) for path in wanted) and not _surplus(found, slot, wanted)

    slot, park = _slot_to_write(found.pointer, found, up_to_date)
    source = other(slot)
    keep = tuple(path for path in package if has(slot, path))
    missing = [path for path in package if path not in keep]
    copy = {path: in_slot(source, path) for path in missing if has(source, path)}
    if up_to_date(slot):
        remove: tuple[str, ...] = ()
    else:
        # The mark of a whole slot goes first.
        remove = (f"{slot}/{slots.COMPLETE}", *_surplus(found, slot, wanted))
    in_force = found.pointer.name == slot and park is None
    return Plan(
        slot=slot,
        park=park,
        keep=keep,
        copy=copy,
        send={path: package[path] for path in missing if path not in copy},
        remove=remove,
        scripts={path: firmware[path] for path in SCRIPTS if found.digests.get(path) != digest(firmware[path])},
        switch=None if in_force else Pointer(slot, slots.TRIAL),
        stale=(OLD_PACKAGE,) if any(path.startswith(f"{OLD_PACKAGE}/") for path in found.sizes_n) else (),
        digests={in_slot(slot, path): wanted[path] for path in wanted},
    )


def check_room(plan: Plan, found: Contents, facts: Facts) -> None:
    """Raise FlashError when the firmware does not fit beside what is there."""

    def blocks_n(size_n: int) -> int:
        return -(-size_n // facts.block_n)

    new_n = {path: len(data) for path, data in plan.send.items()}
    new_n |= {path: found.sizes_n[source] for path, source in plan.copy.items()}
    need_n = SPARE_BLOCKS_N + sum(blocks_n(len(data)) for data in plan.scripts.values())
    for path, size_n in new_n.items():
        need_n += blocks_n(size_n) - blocks_n(found.sizes_n.get(in_slot(plan.slot, path), 0))
    need_n -= sum(blocks_n(found.sizes_n.get(path, 0)) for path in plan.remove)
    if plan.fills_slot and need_n > facts.free_blocks_n:
        kilobyte = facts.block_n / 1024
        raise FlashError(
            f"not enough room on the board: {need_n * kilobyte:.0f} KB are needed and"
            f" {facts.free_blocks_n * kilobyte:.0f} KB are free: remove what is not loopwatch's"
            " (`mpremote ls`, `mpremote rm`), then flash again"
        )


def _slot_to_write(pointer: Pointer, found: Contents, up_to_date: Callable[[str], bool]) -> tuple[str, Pointer | None]:
    if not pointer.name:
        return slots.NAMES[0], None
    if up_to_date(pointer.name):
        return pointer.name, None
    spare = other(pointer.name)
    if pointer.state == slots.TRIAL and found.whole(spare):
        return pointer.name, Pointer(spare)
    return spare, None


def _surplus(found: Contents, slot: str, wanted: dict[str, str]) -> tuple[str, ...]:
    known = {in_slot(slot, path) for path in wanted} | {f"{slot}/{slots.COMPLETE}"}
    return tuple(path for path in found.sizes_n if path.startswith(f"{slot}/") and path not in known)
