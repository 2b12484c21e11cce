"""The page's server: on this machine only, for whoever has the address with its token."""

from __future__ import annotations

import asyncio
import importlib
import secrets
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from heliograph.core import AddressError, MissingDependencyError
from heliograph.core.picture import encode_picture
from heliograph.desk.view.camera import ViewedCamera

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send
    from starlette.websockets import WebSocket

_ADDRESS = "127.0.0.1"
# What a browser calls this machine, here or at the near end of a tunnel.
_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_PAGE = Path(__file__).parent / "page"
_FILES = {"": "index.html", "style.css": "style.css", "page.js": "page.js"}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_CLOSE_S = 2
_ENCODERS = 2


class ViewServer:
    """Serves the page of a camera until it is closed; `url` is where.

    >>> with ViewedCamera(open_camera) as viewed, ViewServer(viewed) as server:   # doctest: +SKIP
    ...     webbrowser.open(server.url)

    Port 0 takes a free one. Raises `AddressError` when the port is taken, `MissingDependencyError` without the
    libraries of `heliograph[desk]`.
    """

    def __init__(self, viewed: ViewedCamera, port: int = 0, *, read_only: bool = False) -> None:
        self._viewed = viewed
        self._read_only = read_only
        self._sessions: dict[str, Any] = {}
        self._token = secrets.token_urlsafe(16)
        uvicorn = _library("uvicorn")
        app = self._app()
        self._socket = _listening(port)
        self.port = int(self._socket.getsockname()[1])
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            ws="websockets-sansio",
            # JPEGs do not shrink any more.
            ws_per_message_deflate=False,
            lifespan="off",
            timeout_graceful_shutdown=_CLOSE_S,
        )
        self._server = uvicorn.Server(config)
        self._encoder = ThreadPoolExecutor(_ENCODERS, "view-encode")
        self._thread = threading.Thread(target=self._run, name="view-server")
        self._thread.start()

    @property
    def url(self) -> str:
        """Address of the page, with the token that opens it."""
        return f"http://{_ADDRESS}:{self.port}/{self._token}/"

    def close(self) -> None:
        """Say good-bye to every page, and end."""
        self._server.should_exit = True
        self._thread.join()
        self._encoder.shutdown()
        self._socket.close()

    def __enter__(self) -> ViewServer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    def _app(self) -> ASGIApp:
        applications = _library("starlette.applications")
        routing = importlib.import_module("starlette.routing")
        routes = [
            routing.WebSocketRoute(f"/{self._token}/socket", self._view),
            routing.Route(f"/{self._token}/picture.png", self._save),
            *(routing.Route(f"/{self._token}/{name}", _send_file) for name in _FILES),
        ]
        guarded: ASGIApp = _Guard(applications.Starlette(routes=routes), self._token)
        return guarded

    async def _view(self, websocket: WebSocket) -> None:
        from heliograph.desk.view.session import Session

        name = secrets.token_urlsafe(8)
        session = Session(websocket, self._viewed, self._encoder, read_only=self._read_only)
        self._sessions[name] = session
        try:
            await session.run(name)
        finally:
            del self._sessions[name]

    async def _save(self, request: Request) -> Response:
        from starlette.responses import PlainTextResponse, Response

        session = self._sessions.get(request.query_params.get("session", ""))
        if session is None or session.frame is None:
            return PlainTextResponse("there is no picture to save", status_code=404)
        frame = session.frame
        loop = asyncio.get_running_loop()
        content = await loop.run_in_executor(self._encoder, encode_picture, frame, ".png")
        file_name = quote(f"{self._viewed.name}-{frame.id}.png", safe="")
        headers = {**_HEADERS, "Content-Disposition": f"attachment; filename*=UTF-8''{file_name}"}
        return Response(content, media_type="image/png", headers=headers)


async def _send_file(request: Request) -> Response:
    from starlette.responses import FileResponse

    return FileResponse(_PAGE / _FILES[request.url.path.rpartition("/")[2]], headers=_HEADERS)


class _Guard:
    """Lets nobody in without the token, and no page of another site even with it.

    The name that the browser uses must be this machine's, else a site whose name is made to point here (DNS rebinding)
    would count as this page; its port may differ, as that of a tunnel does.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = self._refusal(scope)
        if reason is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            from starlette.responses import PlainTextResponse

            await PlainTextResponse(reason + "\n", 403, _HEADERS)(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "")
        if host.rpartition(":")[0] not in _HOSTS and host not in _HOSTS:
            return "open this page as localhost"
        origin = headers.get(b"origin")
        if (scope["type"] == "websocket" or origin is not None) and urlsplit(origin or "").netloc != host:
            return "only the page itself may ask here"
        token = scope["path"].split("/")[1] if "/" in scope["path"] else ""
        if not secrets.compare_digest(token.encode(), self._token):
            return "open the address that heliograph view printed: it ends in a token"
        return None


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError("the view needs a web server: pip install 'heliograph[desk]'") from error


def _listening(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((_ADDRESS, port))
        sock.listen()
    except OSError as error:
        sock.close()
        told = f"port {port} cannot be used ({error.strerror}): choose another, or 0 for a free one"
        raise AddressError(told) from error
    return sock
