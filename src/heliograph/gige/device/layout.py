"""Where each feature of a camera lies in its register space, and what its bytes mean."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from heliograph.core import Access, Feature, FeatureKind, Features, FeatureValue, FeatureValueError
from heliograph.gige.device.registers import Cell
from heliograph.gige.text import pack_text, unpack_text

FEATURES_ADDRESS = 0x1_0000
"""Features begin here, each in a block of its own."""
XML_ADDRESS = 0x10_0000
"""The zipped XML begins here; everything from `FEATURES_ADDRESS` up to it are features."""

_BLOCK_BYTES = 0x100
_TEXT_BYTES = 128
_MINIMUM, _MAXIMUM, _INCREMENT = 0x80, 0x88, 0x90
_FLOAT = struct.Struct(">d")


@dataclass(frozen=True, slots=True)
class FeatureRegister:
    """A feature and the registers that hold its value and its limits."""

    feature: Feature
    """As it was when the registers were laid out; its limits may have moved since."""
    address: int
    length_bytes: int
    signed: bool = False

    @property
    def limits(self) -> dict[str, int]:
        """Addresses of the registers of the limits this feature has, by GenApi's names Min, Max and Inc."""
        feature = self.feature
        if feature.kind not in (FeatureKind.INTEGER, FeatureKind.FLOAT):
            return {}
        values = {"Min": feature.minimum, "Max": feature.maximum, "Inc": feature.increment}
        offsets = {"Min": _MINIMUM, "Max": _MAXIMUM, "Inc": _INCREMENT}
        return {name: self.address + offsets[name] for name, value in values.items() if value is not None}

    def pack(self, value: FeatureValue) -> bytes:
        """Give a value of the feature as the bytes of its register."""
        match self.feature.kind:
            case FeatureKind.FLOAT:
                return _FLOAT.pack(float(value))
            case FeatureKind.STRING:
                return pack_text(str(value), self.length_bytes)
            case FeatureKind.ENUMERATION:
                return self._pack_number(self.feature.entries[str(value)])
            case _:
                return self._pack_number(int(value))

    def unpack(self, data: bytes) -> FeatureValue:
        """Give the value that bytes stand for; raises `FeatureValueError` for an entry that does not exist."""
        match self.feature.kind:
            case FeatureKind.FLOAT:
                return float(_FLOAT.unpack(data)[0])
            case FeatureKind.STRING:
                return unpack_text(data)
            case FeatureKind.ENUMERATION:
                return self._entry(int.from_bytes(data, "big", signed=self.signed))
            case FeatureKind.BOOLEAN:
                return any(data)
            case _:
                return int.from_bytes(data, "big", signed=self.signed)

    def pack_limit(self, limit: float | None) -> bytes:
        """Give a limit, brought into what the register can hold."""
        if self.feature.kind is FeatureKind.FLOAT:
            return _FLOAT.pack(float(limit or 0))
        highest = (1 << (8 * self.length_bytes - 1)) - 1
        return self._pack_number(int(max(-highest - 1, min(highest, limit or 0))))

    def _pack_number(self, number: int) -> bytes:
        return number.to_bytes(self.length_bytes, "big", signed=self.signed)

    def _entry(self, code: int) -> str:
        for name, number in self.feature.entries.items():
            if number == code:
                return name
        raise FeatureValueError(f"{self.feature.name} has no entry of value {code}; it is {self.feature.range_text}")


def lay_out(features: Iterable[Feature], first_address: int = FEATURES_ADDRESS) -> list[FeatureRegister]:
    """Give each feature a block of registers, in order."""
    return [_register(feature, first_address + n * _BLOCK_BYTES) for n, feature in enumerate(features)]


def _register(feature: Feature, address: int) -> FeatureRegister:
    if feature.automatic_by:
        # Automatic at this moment, perhaps; written when it no longer is.
        feature = replace(feature, access=Access.READ_WRITE)
    match feature.kind:
        case FeatureKind.FLOAT:
            return FeatureRegister(feature, address, _FLOAT.size)
        case FeatureKind.STRING:
            return FeatureRegister(feature, address, _TEXT_BYTES)
        case FeatureKind.INTEGER:
            return FeatureRegister(feature, address, 4 if _fits(feature, -(1 << 31), (1 << 31) - 1) else 8, signed=True)
        case FeatureKind.ENUMERATION:
            # PFNC codes of custom formats have bit 31 set, so entries are unsigned where they can be.
            unsigned = all(0 <= number < 1 << 32 for number in feature.entries.values())
            return FeatureRegister(feature, address, 4 if unsigned else 8, signed=not unsigned)
        case _:
            return FeatureRegister(feature, address, 4)


def _fits(feature: Feature, low: int, high: int) -> bool:
    return (
        feature.minimum is not None
        and feature.maximum is not None
        and low <= feature.minimum
        and feature.maximum <= high
    )


def feature_cells(register: FeatureRegister, features: Features) -> list[Cell]:
    """Give the cells of one feature; each access asks the camera."""
    feature, name = register.feature, register.feature.name

    def read(now_ns: int) -> bytes:
        return register.pack(features[name])

    def write(data: bytes, now_ns: int) -> None:
        value = register.unpack(data)
        if feature.kind is FeatureKind.COMMAND:
            if value:
                features.execute(name)
        else:
            features[name] = value

    def limit(attribute: str) -> Callable[[int], bytes]:
        return lambda now_ns: register.pack_limit(getattr(features.describe(name), attribute))

    readable = feature.kind is not FeatureKind.COMMAND and feature.access is not Access.WRITE_ONLY
    writable = feature.access is not Access.READ_ONLY
    value = Cell(register.address, register.length_bytes, read if readable else None, write if writable else None)
    attributes = {"Min": "minimum", "Max": "maximum", "Inc": "increment"}
    limit_bytes = _FLOAT.size if feature.kind is FeatureKind.FLOAT else register.length_bytes
    return [value, *(Cell(at, limit_bytes, limit(attributes[key])) for key, at in register.limits.items())]
