"""Programs of others that tests run against; a missing one skips the test, or fails it where `CI=true`."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

PACKAGES = {
    "arv-tool-0.8": "aravis-tools-cli",
    "arv-camera-test-0.8": "aravis-tools",
    "arv-fake-gv-camera-0.8": "aravis-tools",
    "tshark": "tshark",
    "dumpcap": "wireshark-common",
    "ip": "iproute2",
    "tc": "iproute2",
    "nft": "nftables",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
    "chromium": "chromium",
    "strace": "strace",
    "systemd-analyze": "systemd",
}
"""Debian package of each program."""

# Debian keeps ip, tc and nft here, which a user's PATH leaves out.
_SYSTEM_FOLDERS = "/usr/sbin:/sbin"


def require(program: str) -> str:
    """Give the path of a peer, or end the test: skipped with the line that installs it, failed where `CI=true`.

    >>> require("arv-tool-0.8")  # doctest: +SKIP
    '/usr/bin/arv-tool-0.8'
    """
    path = shutil.which(program) or shutil.which(program, path=_SYSTEM_FOLDERS)
    if path is None:
        missing(f"{program} is not installed: sudo apt install {PACKAGES.get(program, program)} (or: make peers)")
    return path


def namespace_command() -> list[str]:
    """Give the words that run a program in a network namespace of its own, or end the test where none can be made.

    >>> [*namespace_command(), "sh", "-c", "ip link set lo up && exec arv-tool-0.8"]  # doctest: +SKIP
    ['unshare', '--net', 'sh', '-c', 'ip link set lo up && exec arv-tool-0.8']
    """
    require("unshare")
    command = _namespace_command()
    if command is None:
        missing("this user may not make network namespaces: run as root, or allow unprivileged user namespaces")
    return list(command)


def faketime_library() -> str:
    """Give the library that shows a program another wall clock, or end the test where there is none."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        missing("libfaketime is not installed: sudo apt install libfaketime (or: make peers)")
    return str(found[0])


def mount_command(folder: Path, size_mb: int) -> list[str]:
    """Give the words that run a program for which a folder is a disk of its own, or end the test where none is.

    Others reach that disk as `/proc/PID/root` and the folder.
    """
    command = [require("unshare"), "--mount"]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
        missing("this user may not mount a disk in a namespace: run as root")
    script = 'mount -t tmpfs -o size="$1"m tmpfs "$2" && shift 2 && exec "$@"'
    return [*command, "sh", "-c", script, "sh", str(size_mb), str(folder)]


def missing(reason: str) -> NoReturn:
    """End the test because something it needs is not here: skipped with the reason, failed where `CI=true`."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@cache
def _namespace_command() -> tuple[str, ...] | None:
    for command in (("unshare", "--net"), ("unshare", "--map-root-user", "--net")):
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            return command
    return None
