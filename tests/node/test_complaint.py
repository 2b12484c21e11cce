"""What is wrong in a node.toml, in words that help."""

from pathlib import Path

import pytest

from heliograph.core import SettingError
from heliograph.node.settings import parse

_TRUST = '[[trust]]\nkey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMTIRQq6XaKIHjmEsRSGJpz+9uSia7zGX92vgHToS3IA"\n'
_CAMERA = '[[camera]]\nname = "cam-1"\nurl = "sim://bench"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nam = 'x'", "there is no key `nam` (did you mean name?)"),
        ("name = 'x'\n[link]\nlisen = []", "there is no key `lisen` (did you mean listen?) (at link)"),
        ("name = 'x'\n[link.tls]\ncert = ''", ": there are ca, certificate, key, mutual (at link.tls)"),
        (f"name = 'x'\n{_CAMERA}ulr = ''", "there is no key `ulr`: there are name, url, address, serve"),
        ("name = 'x'\n[link]\nlisten = 'tcp/127.0.0.1:7447'", 'a list ([…]), not a text ("…") (at link.listen)'),
        (
            f"name = 'x'\n{_TRUST}role = 'boss'",
            "'boss' is not possible: there are archive, operator, admin (at trust[0]",
        ),
        (
            "name = 'x'\n[[vehicle]]\nname='d'\nkind = 'mavlnk'",
            "not possible: there are sim, mavlink, latch (at vehicle",
        ),
        ("name = 'x'\n[files]\nrate_bps = 'fast'", 'it must be a number, not a text ("…") (at files.rate_bps)'),
        ("[files]", "`name` is missing"),
        ("name = x", "node.toml: this is no valid TOML: Invalid value (at line 1, column 8)"),
        ("name = 'x'\n[[vehicle]]\nname='d'\nkind = 'mavlink'", "'d' needs a `connection`, such as"),
    ],
)
def test_what_is_wrong_is_told_with_what_belongs_there(text: str, told: str) -> None:
    with pytest.raises(SettingError) as raised:
        parse(text, Path("node.toml"))
    assert told in str(raised.value)
