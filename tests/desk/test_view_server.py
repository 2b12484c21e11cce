"""Who gets the page, and who does not."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from heliograph.core import AddressError
from heliograph.desk.view.camera import ViewedCamera
from heliograph.desk.view.server import ViewServer
from heliograph.testing.camera import PatternCamera


@pytest.fixture(scope="module")
def server() -> Iterator[ViewServer]:
    with ViewedCamera(lambda: PatternCamera(64, 48)) as viewed, ViewServer(viewed) as server:
        yield server


def get(server: ViewServer, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, dict(answer.getheaders())


def token(server: ViewServer) -> str:
    return urlsplit(server.url).path.strip("/")


def live(server: ViewServer, origin: str | None = "") -> ClientConnection:
    url = f"ws://127.0.0.1:{server.port}/{token(server)}/socket"
    headers = {} if origin is None else {"Origin": origin or f"http://127.0.0.1:{server.port}"}
    return connect(url, additional_headers=headers, open_timeout=20)


def told(connection: ClientConnection, kind: str) -> dict[str, object]:
    while True:
        message = connection.recv(20)
        assert isinstance(message, str), "a picture that nobody asked for"
        found: dict[str, object] = json.loads(message)
        if found["type"] == kind:
            return found


def test_the_address_with_its_token_gives_the_page(server: ViewServer) -> None:
    status, content, headers = get(server, f"/{token(server)}/")
    assert status == 200
    assert b"<title>Heliograph" in content
    assert "default-src 'none'" in headers["content-security-policy"]
    for name, kind in (("page.js", "javascript"), ("style.css", "css")):
        status, _, headers = get(server, f"/{token(server)}/{name}")
        assert (status, kind in headers["content-type"]) == (200, True)


@pytest.mark.parametrize("path", ["/", "/page.js", "/wrong/", "/wrong/page.js", "/wrong/picture.png", "//", "/%2e%2e/"])
def test_nobody_gets_in_without_the_token(server: ViewServer, path: str) -> None:
    status, content, _ = get(server, path)
    assert status == 403
    assert b"ends in a token" in content


def test_nothing_else_is_served(server: ViewServer) -> None:
    for path in ("session.py", "../view/session.py", "%2e%2e/server.py", "index.html"):
        assert get(server, f"/{token(server)}/{path}")[0] in (403, 404)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::2]:80", ""])
def test_a_name_that_was_made_to_point_here_is_refused(server: ViewServer, host: str) -> None:
    assert get(server, f"/{token(server)}/", Host=host)[0] in (400, 403)


@pytest.mark.parametrize("host", ["localhost:9999", "127.0.0.1:8000", "localhost"])
def test_the_near_end_of_a_tunnel_is_welcome(server: ViewServer, host: str) -> None:
    assert get(server, f"/{token(server)}/", Host=host)[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:1", "null", None])
def test_the_page_of_another_site_hears_nothing(server: ViewServer, origin: str | None) -> None:
    with pytest.raises(InvalidStatus) as refused:
        live(server, origin)
    assert refused.value.response.status_code == 403


def test_a_picture_comes_for_each_that_was_asked_for(server: ViewServer) -> None:
    with live(server) as connection:
        session = told(connection, "hello")["session"]
        for _ in range(3):
            connection.send(json.dumps({"type": "next", "width": 32, "height": 32}))
            message: str | bytes = ""
            while isinstance(message, str):
                message = connection.recv(20)
            length = int.from_bytes(message[:4], "little")
            header = json.loads(message[4 : 4 + length])
            assert header["width"] == 64
            assert cv2.imdecode(np.frombuffer(message[4 + length :], np.uint8), 0).shape == (24, 32)  # type: ignore[union-attr]  # a picture that is none fails here too
        # Nothing is asked for: no picture may wait in the line.
        connection.send(json.dumps({"type": "features", "names": []}))
        assert told(connection, "features")["features"] == []
        status, content, headers = get(server, f"/{token(server)}/picture.png?session={session}")
        assert status == 200
        assert f"pattern-{header['id']}.png" in headers["content-disposition"]
        saved = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        assert saved is not None
        assert saved[0, 0] == header["id"] & 0xFF
    assert get(server, f"/{token(server)}/picture.png?session=none")[0] == 404


def test_nonsense_is_passed_over(server: ViewServer) -> None:
    with live(server) as connection:
        told(connection, "hello")
        nonsense: list[str | bytes] = ["", "null", "[]", "7", "{", '{"type": "next"}', '{"type": 7}', b"\x00\xff", "{}"]
        for text in nonsense:
            connection.send(text)
        connection.send(json.dumps({"type": "features", "names": ["Gain", "Nothing"]}))
        features = told(connection, "features")["features"]
        assert [each["name"] for each in features] == ["Gain", "Nothing"]  # type: ignore[attr-defined]  # JSON
        assert "no feature 'Nothing'" in features[1]["description"]  # type: ignore[index]  # JSON


def test_who_may_only_look_sets_nothing() -> None:
    camera = PatternCamera(64, 48)
    with ViewedCamera(lambda: camera) as viewed, ViewServer(viewed, read_only=True) as server, live(server) as page:
        assert told(page, "hello")["read_only"] is True
        page.send(json.dumps({"type": "set", "name": "Gain", "value": 6}))
        assert "only to look" in str(told(page, "set")["error"])
        assert camera.features["Gain"] == 0


def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as taken, ViewedCamera(lambda: PatternCamera(64, 48)) as viewed:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(AddressError, match="choose another"):
            ViewServer(viewed, taken.getsockname()[1])
