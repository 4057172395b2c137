"""What is answered before Gradio sees it: programs' mistakes in words, and no errands to other sites."""

from __future__ import annotations

import re
from typing import Any

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

ELSEWHERE = re.compile(r"/file[=/]\s*https?:", re.IGNORECASE)
"""The address of a file of another site, which Gradio would fetch and hand on for anybody."""
CALLED = "/call/v2/"
"""Where programs name their parameters."""


class NoErrands:
    """Refuses to fetch what lies on other sites."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and ELSEWHERE.search(scope["path"]):
            refusal = JSONResponse({"detail": "only files of this demo are given out."}, 403)
            await refusal(scope, receive, send)
            return
        await self.app(scope, receive, send)


def mistaken(request: Request, error: Exception) -> JSONResponse:
    """A parameter that there is not. Raises any other error as it is."""
    if CALLED not in request.url.path:
        raise error
    return JSONResponse({"detail": f"{str(error).split('. ')[0]}: see /gradio_api/info for the parameters."}, 422)


SETTINGS: dict[str, Any] = {"middleware": [Middleware(NoErrands)], "exception_handlers": {TypeError: mistaken}}
"""For the server."""
