"""Short names for what is in the planted organization, and the tables that use them."""

import re
from pathlib import Path

from sandbox.planted.accounts import ACCOUNTS, PARTNER, STRANGER
from sandbox.planted.federation import GITHUB, ISSUER

TABLES = Path(__file__).parent / "expected"
_ACCOUNTS = {account.id: account.name for account in ACCOUNTS} | {PARTNER: "partner", STRANGER: "stranger"}
_KINDS = {"role": "", "user": "@", "group": "%"}
_OTHERS = (
    (r"arn:aws:eks:us-east-1:\d{12}:cluster/shop/serviceaccount/", "cluster:"),
    (r"arn:aws:iam::(\d{12}):root", r"\1/root"),
    (rf"arn:aws:iam::(\d{{12}}):oidc-provider/{GITHUB}", r"\1/github"),
    (r"arn:aws:iam::(\d{12}):saml-provider/\S+", r"\1/sso"),
    (rf"{ISSUER}/serviceaccount/", "issuer:"),
    (ISSUER, "issuer"),
    (GITHUB, "github"),
    (r"service account \S+ exists", "the service account exists"),
    (r"(^| )([\w.-]+)\.amazonaws\.com$", r"\1\2"),
)


def short(text):
    """account/role, account/@user, account/%group; of anything in the text."""
    text = re.sub(
        r"arn:aws:iam::(\d{12}):(role|user|group)/(?:[^\s/]+/)*([^\s/]+)",
        lambda found: f"{_ACCOUNTS[found[1]]}/{_KINDS[found[2]]}{found[3]}",
        text,
    )
    for pattern, other in _OTHERS:
        text = re.sub(pattern, other, text)
    return re.sub(r"\d{12}", lambda found: _ACCOUNTS[found[0]], text)


def lines(name):
    """Those of a table that say something."""
    text = (TABLES / f"{name}.txt").read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]
