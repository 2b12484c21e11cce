"""Names and sizes: the rules of CONTRIBUTING.md that a machine can check."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "heliograph"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Times and rates, and sizes of something; a bare size or length is a count or a protocol's own field.
QUANTITY = re.compile(
    r"(^|_)(time|timeout|delay|period|interval|duration|exposure|deadline|age|now|rate|gain|speed|bandwidth)$|_size$"
)
UNIT = re.compile(r"_(ns|us|ms|s|hz|bytes|bits|px|db|per_s|mbit_per_s)$")
NUMBERS = {"int", "float", "int | None", "float | None"}
FORBIDDEN_MODULES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "base", "misc"}


def identity(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def numeric_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Give every annotated number: fields of classes and parameters of functions."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(bases=bases):
                # Members of an enumeration carry no unit.
                if any("Enum" in ast.unparse(base) for base in bases):
                    continue
                for field in node.body:
                    if isinstance(field, ast.AnnAssign) and ast.unparse(field.annotation) in NUMBERS:
                        yield field.lineno, ast.unparse(field.target)
            case ast.FunctionDef(args=arguments):
                for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
                    if argument.annotation and ast.unparse(argument.annotation) in NUMBERS:
                        yield argument.lineno, argument.arg


@pytest.mark.parametrize("path", MODULES, ids=identity)
def test_times_and_sizes_have_their_unit_in_the_name(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    wrong = [f"{line}: {name}" for line, name in numeric_names(tree) if QUANTITY.search(name) and not UNIT.search(name)]
    assert not wrong


@pytest.mark.parametrize("path", MODULES, ids=identity)
def test_no_file_is_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_modules_are_named_by_nouns_of_the_field() -> None:
    assert not {path.stem for path in MODULES} & FORBIDDEN_MODULES


@pytest.mark.parametrize("path", MODULES, ids=identity)
def test_there_is_no_assert(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]


def test_every_module_has_its_test() -> None:
    """A module is tested by name, or as a part of another that is: then that one imports it."""
    tests = [each.read_text(encoding="utf-8") for each in (ROOT / "tests").rglob("*.py")]
    modules = {dotted(path): path.read_text(encoding="utf-8") for path in MODULES}
    tested = {name for name in modules if any(imports(test, name) for test in tests)}
    tested |= {name for name in modules if (ROOT / "tests" / own_test(name)).exists()}
    parts = {name for name in modules if any(imports(modules[each], name) for each in tested)}
    untested = {name for name, text in modules.items() if "def " in text} - tested - parts
    assert not untested


def imports(text: str, name: str) -> bool:
    package, _, module = name.rpartition(".")
    return name in text or bool(re.search(rf"from {re.escape(package)} import .*\b{module}\b", text))


def dotted(path: Path) -> str:
    return ".".join(["heliograph", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")


def own_test(name: str) -> Path:
    *packages, module = name.split(".")[1:] or [name]
    return Path(*packages) / f"test_{module}.py"
