"""`plumbline operator`: runs the operator in a cluster until it is stopped. Parses options; decides nothing."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

EXIT_CANNOT_RUN = 2


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("operator")(operator)


def operator(
    *,
    store: Annotated[
        str, typer.Option(help="URL of the database.", envvar="PLUMBLINE_STORE")
    ] = "sqlite:////var/lib/plumbline/plumbline.db",
    kubeconfig: Annotated[
        str | None,
        typer.Option(help="Default: the pod's service account, else KUBECONFIG.", show_default=False),
    ] = None,
    port: Annotated[int, typer.Option(help="Of /healthz, /readyz and /metrics; 0 takes a free one.")] = 8080,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Objects that are reconciled at a time.")] = 4,
    sweep: Annotated[float, typer.Option(min=1, help="Seconds between two listings of everything.")] = 600.0,
    spread: Annotated[float, typer.Option(min=0, help="Seconds over which a landscape wakes its baselines.")] = 30.0,
    grace: Annotated[float, typer.Option(min=0, help="Seconds that running work may take at the end.")] = 20.0,
) -> None:
    """Reconcile the resources of a cluster, until SIGTERM.

    Needs the rights of deploy/kubernetes/operator/rbac.yaml, and AWS credentials that may assume the member roles; reads
    AWS only. Ends with 2 when it cannot start (no cluster, missing rights, no database, a port that is taken), and when
    the API server refuses its watches: the next process watches anew.
    """
    import sqlalchemy.exc

    from plumbline.kube.client import KubeClient
    from plumbline.kube.errors import KubeError
    from plumbline.operator.program import Options, missing_rights, operate
    from plumbline.store.database import open_store

    try:
        kube = KubeClient(kubeconfig)
        missing = missing_rights(kube)
        if missing:
            _fail(
                f"the service account lacks rights: {', '.join(missing)}; apply deploy/kubernetes/operator, and check "
                "that the ClusterRoleBinding names this service account"
            )
        asyncio.run(operate(kube, open_store(store), Options(port, workers, sweep, spread, grace)))
    except KubeError as error:
        _fail(f"the cluster cannot be used: {error}")
    except sqlalchemy.exc.SQLAlchemyError as error:
        _fail(
            f"the database cannot be used: {str(error).splitlines()[0]}; check --store and that its folder is writable"
        )
    except OSError as error:
        _fail(f"cannot listen on port {port}: {error}; choose another with --port")


def _fail(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    raise typer.Exit(EXIT_CANNOT_RUN)
