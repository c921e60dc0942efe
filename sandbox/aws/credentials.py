"""Credential reports and the last use of access keys: what users hold, against when the organization's events show it.

A report is made on demand, kept for four hours, and says nothing of what happened since. moto's has neither the root user
nor the columns of last use.
"""

import csv
import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sandbox.aws.registry import operation, page
from sandbox.organization import ANALYTICS
from sandbox.protocol import AwsError, Call
from sandbox.world import World, identity_store

KEPT = timedelta(hours=4)
# Account to the age in days of a report that was there before.
FORMER = {ANALYTICS: 5.0}
_KEY = ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")
COLUMNS = (
    *("user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed"),
    *("password_next_rotation", "mfa_active"),
    *(f"access_key_{n}_{name}" for n in (1, 2) for name in _KEY),
    *("cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated"),
)
_NO_KEY = ("false", "N/A", "N/A", "N/A", "N/A")
_NO_CERTIFICATES = ("false", "N/A", "false", "N/A")
_ERRORS = {
    "ReportNotPresent": ("No report exists. Start a new one.", 410),
    "ReportExpired": ("The report has expired. Start a new one.", 410),
    "ReportInProgress": ("The report is being generated.", 404),
}


@dataclass
class Report:
    made: datetime
    text: str
    polls: int = 0


def _report(world: World, account: str) -> Report | None:
    found = world.jobs.get(f"credential-report/{account}")
    if isinstance(found, Report):
        return found
    days = FORMER.get(account)
    return Report(world.behaviour.ago(days), "") if days else None


@operation("iam", "GenerateCredentialReport")
def generate_credential_report(world: World, call: Call) -> dict[str, Any]:
    known = _report(world, call.account)
    if known is None or world.now() - known.made >= KEPT:
        made = Report(world.now(), _text(world, call.account))
        world.jobs[f"credential-report/{call.account}"] = made
        return {"State": "STARTED", "Description": "No report exists. Starting a new report generation task"}
    return {"State": "COMPLETE" if known.polls >= world.settings.credentialReportPolls else "INPROGRESS"}


@operation("iam", "GetCredentialReport")
def get_credential_report(world: World, call: Call) -> dict[str, Any]:
    code, known = world.settings.credentialReportFails.get(call.account, ""), _report(world, call.account)
    if not code and known is None:
        code = "ReportNotPresent"
    if not code and known is not None and world.now() - known.made >= KEPT:
        code = "ReportExpired"
    if not code and known is not None and known.polls < world.settings.credentialReportPolls:
        known.polls += 1
        code = "ReportInProgress"
    if code or known is None:
        message, status = _ERRORS[code]
        raise AwsError(code, message, status)
    return {"Content": known.text.encode(), "ReportFormat": "text/csv", "GeneratedTime": known.made}


def _text(world: World, account: str) -> str:
    """The root user first, then all others by name; a last line break is missing, as AWS has it."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    joined = _time(world.behaviour.ago(1200))
    root = ("<root_account>", f"arn:aws:iam::{account}:root", joined, "not_supported", "no_information")
    rows.writerow((*root, "not_supported", "not_supported", "true", *_NO_KEY, *_NO_KEY, *_NO_CERTIFICATES))
    for user in sorted(identity_store(account).users.values(), key=lambda user: user.name.lower()):
        keys = [_key(key) for key in user.access_keys[:2]]
        keys += [_NO_KEY] * (2 - len(keys))
        told = (user.name, user.arn, _time(user.create_date))
        mfa = "true" if user.mfa_devices else "false"
        rows.writerow((*told, *_password(user), "N/A", mfa, *keys[0], *keys[1], *_NO_CERTIFICATES))
    return out.getvalue().rstrip("\n")


def _password(user: Any) -> tuple[str, str, str]:
    if not user.password:
        return "false", "N/A", "N/A"
    last: Any = user.password_last_used
    return "true", _time(last) if last else "no_information", _time(user.create_date)


def _key(key: Any) -> tuple[str, ...]:
    active, created, used = "true" if key.status == "Active" else "false", _time(key.create_date), key.last_used
    if used is None:
        return active, created, "N/A", "N/A", "N/A"
    return active, created, _time(used.timestamp), used.region, used.service


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S+00:00")


@operation("iam", "ListAccessKeys")
def list_access_keys(world: World, call: Call) -> dict[str, Any]:
    name = call.params.get("UserName")
    users = [user for user in identity_store(call.account).users.values() if user.name == name]
    if not users:
        raise AwsError("NoSuchEntity", f"The user with name {name} cannot be found.", 404)
    found, following = page(users[0].access_keys, int(call.params.get("MaxItems") or 100), call.params.get("Marker"))
    listed = [
        {"UserName": name, "AccessKeyId": k.access_key_id, "Status": k.status, "CreateDate": k.create_date}
        for k in found
    ]
    return {"AccessKeyMetadata": listed, "IsTruncated": bool(following)} | ({"Marker": following} if following else {})


@operation("iam", "GetAccessKeyLastUsed")
def get_access_key_last_used(world: World, call: Call) -> dict[str, Any]:
    """Without a date where the key was never used."""
    key = identity_store(call.account).access_keys.get(call.params["AccessKeyId"])
    if key is None or not key.user_name:
        raise AwsError("NoSuchEntity", f"The Access Key with id {call.params['AccessKeyId']} cannot be found.", 404)
    used = key.last_used
    if used is None:
        return {"UserName": key.user_name, "AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"}}
    told = {"LastUsedDate": used.timestamp, "ServiceName": used.service, "Region": used.region}
    return {"UserName": key.user_name, "AccessKeyLastUsed": told}
