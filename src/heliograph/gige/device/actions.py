"""Action commands: one packet, often broadcast, that makes many cameras do something at once or at a set time.

Which command concerns a camera is SFNC's rule (14.2.6): the device key is the camera's, and for an action signal the
group key is equal and the masks have a bit in common.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from heliograph.core import Access, Feature, FeatureKind, LocalFeatures, RemoteStatusError, Visibility
from heliograph.gige.gvcp import ActionCommand, Status

SIGNALS = 2
"""Actions that a camera tells apart: Action0 and Action1."""
QUEUE_SIZE = 16
"""Most scheduled actions that wait at once."""

# The thread that fires may be late on a busy machine; a trigger carries its time, so it may be told early.
_EARLY_NS = 20_000_000
_CATEGORY = "ActionControl"
_U32 = 0xFFFF_FFFF


@dataclass(slots=True)
class ActionKeys:
    """What the registers say of which action commands concern the camera."""

    device_key: int = 0
    group_keys: list[int] = field(default_factory=lambda: [0] * SIGNALS)
    group_masks: list[int] = field(default_factory=lambda: [0] * SIGNALS)
    unconditional: bool = False
    """True when actions are taken while nobody has control."""

    def signals(self, command: ActionCommand) -> list[int]:
        """Give the action signals that a command is for; none when it is for other cameras."""
        if command.device_key != self.device_key:
            return []
        pairs = enumerate(zip(self.group_keys, self.group_masks, strict=True))
        return [i for i, (key, mask) in pairs if key == command.group_key and mask & command.group_mask]


class Actions:
    """Fires the actions that commands ask for, now or at their time.

    >>> keys = ActionKeys(device_key=1, group_keys=[2, 0], group_masks=[1, 0])
    >>> actions = Actions(keys, lambda source, time_ns: not print(source, time_ns))
    >>> actions.receive(ActionCommand(1, 2, 1), now_ns=5)
    Action0 5

    `trigger` is called with `Action0` or `Action1` and the time in ns; it gives False when it cannot take another.
    Sans-IO: call `handle_timer` at `next_deadline`.
    """

    def __init__(self, keys: ActionKeys, trigger: Callable[[str, int], bool]) -> None:
        self._keys = keys
        self._trigger = trigger
        self._scheduled: list[tuple[int, int]] = []

    def concerns(self, command: ActionCommand) -> bool:
        """Tell whether a command is for this camera."""
        return bool(self._keys.signals(command))

    def receive(self, command: ActionCommand, now_ns: int) -> None:
        """Fire or schedule what a command asks for; an action that comes too late is not done.

        Raises `RemoteStatusError` with INVALID_PARAMETER for other cameras' commands, ACTION_LATE or OVERFLOW.
        """
        signals = self._keys.signals(command)
        if not signals:
            raise RemoteStatusError("no action of this camera has these keys", Status.INVALID_PARAMETER)
        if command.time_ns is None:
            fired = [self._trigger(f"Action{signal}", now_ns) for signal in signals]
            if not all(fired):
                raise RemoteStatusError("triggers come faster than frames", Status.OVERFLOW)
            return
        if command.time_ns < now_ns:
            late_ns = now_ns - command.time_ns
            raise RemoteStatusError(f"its time was {late_ns} ns ago: schedule it earlier", Status.ACTION_LATE)
        if len(self._scheduled) + len(signals) > QUEUE_SIZE:
            raise RemoteStatusError(f"{QUEUE_SIZE} scheduled actions wait already", Status.OVERFLOW)
        for signal in signals:
            heapq.heappush(self._scheduled, (command.time_ns, signal))

    def next_deadline(self) -> int | None:
        """Time at which the next action has to be told of, in ns; None when none is scheduled."""
        return self._scheduled[0][0] - _EARLY_NS if self._scheduled else None

    def handle_timer(self, now_ns: int) -> list[str]:
        """Fire what is due and give the names of those that nobody took."""
        lost = []
        while self._scheduled and self._scheduled[0][0] - _EARLY_NS <= now_ns:
            time_ns, signal = heapq.heappop(self._scheduled)
            if not self._trigger(f"Action{signal}", time_ns):
                lost.append(f"Action{signal}")
        return lost

    def clear(self) -> None:
        """Forget what is scheduled: the client that asked for it is gone."""
        self._scheduled.clear()


def action_features(keys: ActionKeys) -> LocalFeatures:
    """Give the features that show and set the keys; none is a setting, they are a camera's place among others."""
    features = LocalFeatures()
    selected = [0]
    features.add(
        _number("ActionDeviceKey", "Key that action commands to this camera carry.", access=Access.WRITE_ONLY),
        write=lambda value: setattr(keys, "device_key", value),
    )
    features.add(
        _number("ActionSelector", "Action signal that ActionGroupKey and ActionGroupMask are of.", SIGNALS - 1),
        read=lambda: selected[0],
        write=lambda value: selected.__setitem__(0, value),
    )
    for name, what, values in (
        ("ActionGroupKey", "Key that action commands for this signal carry.", keys.group_keys),
        ("ActionGroupMask", "Bits of which an action command for this signal has one at least.", keys.group_masks),
    ):
        _add_element(features, _number(name, what, selected_by="ActionSelector"), values, selected)
    features.add(
        _number("ActionQueueSize", "Scheduled actions that can wait at once.", QUEUE_SIZE, access=Access.READ_ONLY),
        read=lambda: QUEUE_SIZE,
    )
    return features


def _add_element(features: LocalFeatures, feature: Feature, values: list[int], selected: list[int]) -> None:
    features.add(feature, read=lambda: values[selected[0]], write=lambda value: values.__setitem__(selected[0], value))


def _number(
    name: str, description: str, maximum: int = _U32, *, access: Access = Access.READ_WRITE, selected_by: str = ""
) -> Feature:
    return Feature(
        name,
        FeatureKind.INTEGER,
        _CATEGORY,
        description,
        access=access,
        visibility=Visibility.GURU,
        minimum=0,
        maximum=maximum,
        increment=1,
        selected_by=selected_by,
        streamable=False,
    )
