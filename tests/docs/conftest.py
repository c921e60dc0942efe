"""The pages' examples are executed by the installed command."""

from tests.cli.conftest import plumbline

__all__ = ["plumbline"]
