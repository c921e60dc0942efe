"""The command lines of the programs of a control plane for tests, and its audit policy.

Knows the flags and why they are as they are; starts nothing.
"""

from pathlib import Path

HOST = "127.0.0.1"
ISSUER = "https://kubernetes.default.svc.cluster.local"

# The controllers without which the API behaves differently from a cluster's.
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
)

# Metadata says who did what. Writes also keep what was sent, except for secrets and tokens. Left out is what nobody
# asks for: the API server's calls to itself and the polls of its health.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "users": ["system:apiserver"]},
        {"level": "None", "nonResourceURLs": ["/readyz*", "/livez*", "/healthz*"]},
        {
            "level": "Metadata",
            "resources": [
                {"group": "", "resources": ["secrets", "serviceaccounts/token"]},
                {"group": "authentication.k8s.io", "resources": ["tokenreviews"]},
            ],
        },
        {"level": "Request", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        {"level": "Metadata"},
    ],
}


def etcd(program: Path, data: Path, port: int, peer_port: int) -> list[str | Path]:
    client, peer = f"http://{HOST}:{port}", f"http://{HOST}:{peer_port}"
    return [
        program,
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        # The data is thrown away, and only a crash of the machine would miss what was not synced.
        "--unsafe-no-fsync",
        # One member elects itself; the default timeout would let it wait a second for others.
        "--heartbeat-interval=10",
        "--election-timeout=100",
        "--log-level=warn",
    ]


def api_server(program: Path, folder: Path, port: int, etcd_port: int) -> list[str | Path]:
    return [
        program,
        f"--etcd-servers=http://{HOST}:{etcd_port}",
        f"--bind-address={HOST}",
        f"--advertise-address={HOST}",
        f"--secure-port={port}",
        f"--tls-cert-file={folder / 'api-server.crt'}",
        f"--tls-private-key-file={folder / 'api-server.key'}",
        f"--client-ca-file={folder / 'ca.crt'}",
        "--authorization-mode=RBAC",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={folder / 'service-accounts.key'}",
        f"--service-account-signing-key-file={folder / 'service-accounts.key'}",
        "--service-cluster-ip-range=10.0.0.0/24",
        # The endpoints of the service `kubernetes` can't be a loopback address: it would fail again and again.
        "--endpoint-reconciler-type=none",
        f"--audit-policy-file={folder / 'audit-policy.json'}",
        f"--audit-log-path={folder / 'audit.log'}",
        # An event is written before the answer, so that a test finds there what it has done; and never moved away.
        "--audit-log-mode=blocking",
        "--audit-log-maxsize=0",
    ]


def controller_manager(program: Path, folder: Path, controllers: tuple[str, ...] = CONTROLLERS) -> list[str | Path]:
    return [
        program,
        f"--kubeconfig={folder / 'kube-controller-manager.kubeconfig'}",
        f"--controllers={','.join(controllers)}",
        # Each controller acts as its own service account, with the rights that RBAC's bootstrap roles give it, and
        # the audit log tells them apart.
        "--use-service-account-credentials",
        f"--service-account-private-key-file={folder / 'service-accounts.key'}",
        f"--root-ca-file={folder / 'ca.crt'}",
        "--leader-elect=false",
        # Not served: nobody reads its health or metrics, and it would need a port.
        "--secure-port=0",
        # As fast as the API server takes them; a test waits for each.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--namespace-sync-period=30s",
    ]
