"""Which operations the sandbox answers itself.

A handler gets the world and the call and returns the result by botocore's output shape, or raises AwsError, or returns
MOTO to let moto answer after a check.
"""

from collections.abc import Callable
from typing import Any

from sandbox.protocol import Call
from sandbox.world import World

MOTO: dict[str, Any] = {"answered by": "moto"}
Handler = Callable[[World, Call], dict[str, Any]]
HANDLERS: dict[tuple[str, str], Handler] = {}


def operation(service: str, *names: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        for name in names:
            HANDLERS[service, name] = handler
        return handler

    return register


def page(items: list[Any], size: int, token: str | None) -> tuple[list[Any], str | None]:
    """A page and the token of the next; a token is an offset that only we can read."""
    start = int(token.removeprefix("page-")) if token and token.removeprefix("page-").isdigit() else 0
    rest = start + size
    return items[start:rest], f"page-{rest}" if rest < len(items) else None
