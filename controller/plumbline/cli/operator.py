"""`plumbline operator`: runs the operator in a cluster until it is stopped. Parses options; decides nothing."""

from __future__ import annotations

import asyncio
import os
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
    dashboard_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Of the dashboard; 0 takes a free one. Default: none.", show_default=False),
    ] = None,
    dashboard_user_header: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="A proxy in this pod names the user in this header; then the dashboard listens at 127.0.0.1 only.",
            show_default=False,
        ),
    ] = "",
    dashboard_group_header: Annotated[
        str, typer.Option(metavar="NAME", help="The header with the user's groups, with commas.", show_default=False)
    ] = "",
) -> None:
    """Reconcile the resources of a cluster, until SIGTERM.

    Needs the rights of deploy/kubernetes/operator/rbac.yaml, and AWS credentials that may assume the member roles; reads
    AWS only. Ends with 2 when it cannot start (no cluster, missing rights, no database, a port that is taken), and when
    the API server refuses its watches: the next process watches anew.
    """
    import sqlalchemy.exc

    from plumbline.kube.client import KubeClient
    from plumbline.kube.errors import KubeError
    from plumbline.operator.program import Dashboard, Options, missing_rights, operate
    from plumbline.store.database import NewerStoreError, open_store

    for option, header in (("user", dashboard_user_header), ("group", dashboard_group_header)):
        if header and dashboard_port is None:
            raise typer.BadParameter("give --dashboard-port too", param_hint=f"--dashboard-{option}-header")
    if dashboard_group_header and not dashboard_user_header:
        raise typer.BadParameter("give --dashboard-user-header too", param_hint="--dashboard-group-header")
    shown = None
    if dashboard_port is not None:
        shown = Dashboard(dashboard_port, dashboard_user_header, dashboard_group_header)
    try:
        kube = KubeClient(kubeconfig)
        missing = missing_rights(kube, dashboard=shown is not None)
        if missing:
            folders = "deploy/kubernetes/operator" if shown is None else "deploy/kubernetes/dashboard"
            _fail(
                f"the service account lacks rights: {', '.join(missing)}; apply {folders}, and check "
                "that the ClusterRoleBinding names this service account"
            )
        ended = asyncio.run(operate(kube, open_store(store), Options(port, workers, sweep, spread, grace, shown)))
    except KubeError as error:
        _fail(f"the cluster cannot be used: {error}")
    except NewerStoreError as error:
        _fail(f"the database cannot be used: {error}")
    except sqlalchemy.exc.SQLAlchemyError as error:
        _fail(
            f"the database cannot be used: {str(error).splitlines()[0]}; check --store and that its folder is writable"
        )
    except OSError as error:
        ports = f"port {port}" if dashboard_port is None else f"ports {port} and {dashboard_port}"
        _fail(f"cannot listen on {ports}: {error}; choose another with --port or --dashboard-port")
    if not ended:
        # Python would wait for the threads that are still at work, until somebody kills it.
        sys.stderr.write(f"work was cut off after {grace:g} seconds; the next process does it again\n")
        sys.stderr.flush()
        os._exit(0)


def _fail(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    raise typer.Exit(EXIT_CANNOT_RUN)
