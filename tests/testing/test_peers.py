import shutil

import pytest

from heliograph.testing import peers


def test_a_peer_on_this_machine_is_given_by_its_path() -> None:
    assert peers.require("sh") == shutil.which("sh")


def test_a_missing_peer_skips_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(shutil, "which", lambda program, path=None: None)
    with pytest.raises(pytest.skip.Exception, match="sudo apt install aravis-tools-cli"):
        peers.require("arv-tool-0.8")


def test_a_missing_peer_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(shutil, "which", lambda program, path=None: None)
    with pytest.raises(pytest.fail.Exception, match="sudo apt install tshark"):
        peers.require("tshark")


def test_programs_outside_a_users_path_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    ip = peers.require("ip")
    monkeypatch.setenv("PATH", "")
    assert shutil.which("ip") is None
    assert ip.endswith("/ip")
    assert peers.require("ip").endswith("/ip")
