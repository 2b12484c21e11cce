"""The documentation says what the program does."""

import re
from pathlib import Path

import pytest
import typer.main

from heliograph.cli.program import app
from heliograph.testing.documents import PAGES, main

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_follows_from_code_is_not_stale(name: str) -> None:
    written = (REFERENCE / name).read_text(encoding="utf-8")
    assert written == PAGES[name](), "write it anew: python -m heliograph.testing.documents"


def test_the_pages_are_written_where_they_are_read(tmp_path: Path) -> None:
    main(tmp_path)
    assert {page.name for page in tmp_path.iterdir()} == set(PAGES)


def commands() -> dict[str, list[str]]:
    """Give every command, in words, and its options."""
    found: dict[str, list[str]] = {}
    below = [("heliograph", typer.main.get_command(app))]
    while below:
        words, command = below.pop()
        children = getattr(command, "commands", {})
        below += [(f"{words} {name}", child) for name, child in children.items()]
        if not children:
            found[words] = [
                option for parameter in command.params for option in parameter.opts if option.startswith("--")
            ]
    return found


@pytest.mark.parametrize("words", sorted(commands()))
def test_every_command_and_option_is_documented(words: str) -> None:
    sections = re.split(r"^## ", (REFERENCE / "cli.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    (section,) = [each for each in sections if each.startswith(words)]
    missing = [option for option in commands()[words] if option not in section and option != "--help"]
    assert not missing


def test_the_readme_names_only_targets_and_pages_that_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", readme)) <= targets | {"alone"}
    for link in re.findall(r"\]\(([^)#]+)\)", readme):
        assert link.startswith("https://") or (ROOT / link).exists(), link


def test_the_readme_never_claims_compliance() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        text = page.read_text(encoding="utf-8").lower()
        assert not re.search(r"gige vision[- ](compliant|certified|compatible)", text), page
