"""The server behind the page: one process, one thread for the board and the pages, others only for reading the log.

What changes something is a POST below /api/; everything else only looks. Only files of this package and of uPlot are
served, and the page is told to load nothing from elsewhere.
"""

import asyncio
import csv
import importlib.util
import io
import json
import math
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loopwatch import alarms

from .. import blackbox
from ..client import Pending
from ..desk import boxes, history
from ..desk.orders import Hands
from ..errors import LoopwatchError, StoreError, UsageError
from ..order_book import this_person
from .feed import Feed, setup
from .guard import COOKIE, HEADER, Guard, is_loopback, refusal

PAGE = Path(__file__).parent / "page"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'self'; form-action 'none'; base-uri 'none'"
POINTS_MAX_N = 8_000
BOX_COLUMNS = ("id", "box_n", "alarm", "at_s", "sample_n", "complete")
SPAN_DEFAULT_S = 600.0
STEP_S = 0.02
PUBLISH_S = 0.1

Order = Callable[[str, dict[str, Any], str], Pending | None]


def uplot_folder() -> Path:
    """Where the installed package youplot keeps uPlot."""
    found = importlib.util.find_spec("youplot")
    if found is None or found.origin is None:
        raise LoopwatchError("the package youplot is missing, which carries uPlot: set up .venv again with `make run`")
    return Path(found.origin).parent / "vendor"


def files() -> dict[str, Path]:
    """Every file that is served, by the name in its address."""
    uplot = uplot_folder()
    ours = {path.name: path for path in PAGE.iterdir() if path.suffix in TYPES}
    return {**ours, "uplot.js": uplot / "uplot.iife.min.js", "uplot.css": uplot / "uplot.min.css"}


@dataclass(frozen=True)
class Board:
    """One board of the page: what it shows, the file that it is kept in, and who carries an order to it."""

    name: str
    feed: Feed
    log: Path
    hands: Hands


def make_app(boards: Sequence[Board], guard: Guard) -> Starlette:
    """The application: the page of a board, or of several side by side, each then below /b/ and its number."""
    served = files()

    async def file(request: Request) -> Response:
        path = served.get(request.path_params["name"])
        if path is None:
            return refusal(HTTPStatus.NOT_FOUND, "no such file")
        return FileResponse(path, media_type=TYPES[path.suffix], headers={"Cache-Control": "no-cache"})

    several = [Mount(f"/b/{n}", routes=_routes(board, guard)) for n, board in enumerate(boards, 1)]
    top = [Route("/", _side_by_side(boards, guard)), *several] if len(boards) > 1 else _routes(boards[0], guard)
    return Starlette(routes=[Route("/page/{name}", file), *top], middleware=[Middleware(Guarded, guard)])


def _with_cookie(request: Request, guard: Guard) -> Response | None:
    """The answer to the printed address with its token, which a cookie keeps from then on; None without one."""
    if "token" not in request.query_params:
        return None
    answer = RedirectResponse(request.url.path, HTTPStatus.SEE_OTHER)
    answer.set_cookie(COOKIE, guard.token, httponly=True, samesite="strict")
    return answer


def _side_by_side(boards: Sequence[Board], guard: Guard) -> Callable[[Request], Awaitable[Response]]:
    """The page of several boards: each in a frame of its own, which is the page of that board."""
    frames = "".join(
        f'<iframe src="b/{n}/" title="{escape(board.name, quote=True)}"></iframe>' for n, board in enumerate(boards, 1)
    )
    page = (PAGE / "boards.html").read_text(encoding="utf-8").replace("{{boards}}", frames)

    async def index(request: Request) -> Response:
        return _with_cookie(request, guard) or HTMLResponse(page)

    return index


def _routes(board: Board, guard: Guard) -> list[Route]:
    """What there is of one board."""
    feed, log = board.feed, board.log
    page = (PAGE / "index.html").read_text(encoding="utf-8")

    async def index(request: Request) -> Response:
        if answer := _with_cookie(request, guard):
            return answer
        about = {**setup(), "token": guard.token, "header": HEADER}
        # Inside a script element the only harm is its end tag.
        return HTMLResponse(page.replace("{{setup}}", json.dumps(about).replace("<", "\\u003c")))

    async def stream(request: Request) -> Response:
        async def events() -> AsyncIterator[str]:
            async for frame in feed.frames():
                yield f"data: {frame}\n\n"

        return StreamingResponse(events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    def past(request: Request) -> Response:
        given = request.query_params
        try:
            to_s = float(given.get("to", time.time()))
            from_s = float(given.get("from", to_s - SPAN_DEFAULT_S))
            points_n = min(POINTS_MAX_N, max(2, int(given.get("points", "1500"))))
        except ValueError:
            return refusal(HTTPStatus.BAD_REQUEST, "from and to are seconds since 1970, points is a whole number")
        if not (math.isfinite(to_s - from_s) and from_s < to_s):
            return refusal(HTTPStatus.BAD_REQUEST, "from must be before to")
        try:
            return JSONResponse(history.read(log, feed.loop.board_id, from_s, to_s, points_n))
        except sqlite3.Error as error:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"the log cannot be read now ({error}): try again")

    def box_list(request: Request) -> Response:
        try:
            rows = boxes.kept(log, feed.loop.board_id)
        except StoreError as error:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        return JSONResponse([{name: row[name] for name in BOX_COLUMNS} for row in rows])

    def box(request: Request) -> Response:
        try:
            lines = boxes.lines(log, request.path_params["id"])
        except LoopwatchError as error:
            return refusal(HTTPStatus.NOT_FOUND, str(error))
        if request.path_params["form"] not in ("json", "csv"):
            return refusal(HTTPStatus.NOT_FOUND, "a box comes as .json or .csv")
        if request.path_params["form"] == "json":
            return JSONResponse({"words": lines.box.words, "from_s": lines.from_s, "to_s": lines.to_s, **lines.columns})
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(blackbox.COLUMNS)
        writer.writerows(lines.box.rows())
        name = f"box-{request.path_params['id']}-{lines.box.alarm}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(table.getvalue(), media_type="text/csv", headers=headers)

    return [
        Route("/", index),
        Route("/api/boxes", box_list),
        Route("/api/boxes/{id:int}.{form}", box),
        Route("/api/stream", stream),
        Route("/api/history", past),
        *(Route(f"/api/{name}", _ordered(order), methods=["POST"]) for name, order in _orders(board.hands).items()),
    ]


def _orders(hands: Hands) -> dict[str, Order]:
    """Every order by the name in its address; each takes the alarm's name, the request's body and who gives it."""

    def shelve(name: str, body: dict[str, Any], by: str) -> Pending | None:
        for_s = body.get("seconds")
        if type(for_s) is not int or not 0 < for_s <= alarms.SHELF_MAX_S:
            raise UsageError(f"seconds is a whole number from 1 to {alarms.SHELF_MAX_S}")
        return hands.shelve(name, for_s, by)

    return {
        "acknowledge": lambda name, _, by: hands.acknowledge(name, by),
        "reset": lambda name, _, by: hands.reset(name, by),
        "shelve": shelve,
        "unshelve": lambda name, _, by: hands.unshelve(name, by),
    }


def _giver(request: Request) -> str:
    """Who gives an order: this account on this machine, else the machine that it comes from."""
    host = request.client.host if request.client else ""
    return f"{this_person() if is_loopback(host) else host or 'unknown'} (page)"


def _ordered(order: Order) -> Callable[[Request], Awaitable[Response]]:
    """The answer to a POST that carries one alarm's name to the board: what the board said to it."""

    async def answer(request: Request) -> Response:
        try:
            body = await request.json()
            name = body["alarm"]
        except (ValueError, KeyError, TypeError):
            return refusal(HTTPStatus.BAD_REQUEST, 'the body is {"alarm": NAME}')
        if not isinstance(name, str) or alarms.index_of(name) < 0:
            return refusal(HTTPStatus.NOT_FOUND, "no alarm of this name")
        try:
            pending = order(name, body, _giver(request))
        except UsageError as error:
            return refusal(HTTPStatus.BAD_REQUEST, str(error))
        if pending is None:
            return refusal(HTTPStatus.CONFLICT, "the board is not connected: nothing was sent")
        try:
            return JSONResponse({"reply": await asyncio.to_thread(pending.wait)})
        except LoopwatchError as error:
            return refusal(HTTPStatus.CONFLICT, str(error))

    return answer


class Guarded:
    """Asks the guard before anything else, and tells the browser what the page may do."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        looks = request.method in ("GET", "HEAD")
        refused = self._guard.look(request) if looks else self._guard.act(request)

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
            await send(message)

        await (refused or self._app)(scope, receive, told)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises UsageError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"cannot listen on {host} port {port} ({error}): is another page open there? name another with --port"
        ) from None


class _Server(uvicorn.Server):
    """Leaves the signals to the command, which ends in its own clean way."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take no signal."""
        yield


async def serve(app: Starlette, feeds: Sequence[Feed], listening: socket.socket, step: Callable[[], bool]) -> None:
    """Serve pages and call step every STEP_S until it returns False; raises what step raises."""
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        due_s = time.monotonic()
        while not serving.done() and step():
            if time.monotonic() >= due_s:
                due_s = time.monotonic() + PUBLISH_S
                for feed in feeds:
                    feed.publish()
            await asyncio.sleep(STEP_S)
    finally:
        for feed in feeds:
            feed.close()
        server.should_exit = True
        await serving
