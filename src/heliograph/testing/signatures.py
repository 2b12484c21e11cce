"""Signatures of a library that cannot be installed here, taken out of its wheel.

    pip download --no-deps picamera2==0.3.38
    python -m heliograph.testing.signatures picamera2-0.3.38-py3-none-any.whl > tests/vectors/picamera2-0.3.38.json

Facts only: names of classes, functions, attributes and parameters, and constants that a parameter is by default.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
import zipfile
from pathlib import Path
from typing import Any


def signatures(wheel: Path, modules: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """Give the classes of `modules` (module by name, its classes) with the parameters of each public method."""
    with zipfile.ZipFile(wheel) as archive:
        trees = {name: ast.parse(archive.read(f"{name.replace('.', '/')}.py")) for name in modules}
    classes = {
        node.name: _class(node)
        for name, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name in modules[name]
    }
    return {"wheel": wheel.name, "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(), "classes": classes}


def _class(node: ast.ClassDef) -> dict[str, Any]:
    # The last of several definitions counts, as with @overload.
    functions = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}
    public = {name: each for name, each in functions.items() if not name.startswith("_") or name in _SPECIAL}
    properties = {name for name, each in public.items() if _has(each, "property", "classproperty", "setter")}
    return {
        "properties": sorted(properties),
        "static": sorted(name for name, each in public.items() if _has(each, "staticmethod")),
        "methods": {name: _parameters(each) for name, each in sorted(public.items()) if name not in properties},
    }


def _has(function: ast.FunctionDef, *decorators: str) -> bool:
    return any(ast.unparse(each).rpartition(".")[2] in decorators for each in function.decorator_list)


def _parameters(function: ast.FunctionDef) -> str:
    for argument in ast.walk(function.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    return ast.unparse(function.args)


_SPECIAL = ("__init__", "__enter__", "__exit__")
PICAMERA2 = {
    "picamera2.picamera2": ("Picamera2",),
    "picamera2.request": ("CompletedRequest", "MappedArray"),
    "picamera2.job": ("Job",),
    "picamera2.controls": ("Controls",),
}
"""What a driver of cameras touches of picamera2."""


if __name__ == "__main__":
    sys.stdout.write(json.dumps(signatures(Path(sys.argv[1]), PICAMERA2), indent=1) + "\n")
