"""Who may look and who may act.

On this machine anybody who can open the page may look and act; a name that is not this machine's is refused, so that a
foreign site cannot reach the page by renaming itself (DNS rebinding). Over a network every request needs the token,
which the printed address carries and a cookie then keeps. Acting always needs the page's own origin and the token in a
header, which the page has and no foreign site can read or send.
"""

import hmac
import ipaddress
import secrets
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

COOKIE = "loopwatch"
HEADER = "x-loopwatch-token"


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refusal(status: HTTPStatus, text: str) -> Response:
    """A refusal with its reason."""
    return JSONResponse({"error": text}, status_code=status)


class Guard:
    """The token of one run of the server, and the rules around it."""

    def __init__(self, host: str) -> None:
        self.token = secrets.token_urlsafe(24)
        self.local = is_loopback(host)

    def look(self, request: Request) -> Response | None:
        """None when the request may be answered, else the refusal."""
        if self.local:
            name = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
            if is_loopback(name):
                return None
            return refusal(HTTPStatus.FORBIDDEN, f"this page is not served as {name[:80]!r}: open it as 127.0.0.1")
        given = request.query_params.get("token") or request.cookies.get(COOKIE) or request.headers.get(HEADER) or ""
        if self._right(given):
            return None
        return refusal(HTTPStatus.UNAUTHORIZED, "no token: open the address that `loopwatch web` has printed")

    def act(self, request: Request) -> Response | None:
        """The same for a request that changes something."""
        origin = request.headers.get("origin")
        if origin is not None and origin != f"http://{request.headers.get('host')}":
            return refusal(HTTPStatus.FORBIDDEN, f"refused: the request comes from {origin[:80]!r}, not from this page")
        if not self._right(request.headers.get(HEADER) or ""):
            return refusal(HTTPStatus.FORBIDDEN, "refused: the page's token is missing or old: load the page again")
        return self.look(request)

    def _right(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.token.encode())
