"""Puts the organization into moto: accounts, guardrails, roles, users, policies and the trail, with their dates.

Knows moto's objects. Must not know events or verdicts.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from moto.cloudtrail.models import cloudtrail_backends
from moto.iam import models as moto_iam
from moto.iam.models import AccessKey, AccessKeyLastUsed, iam_backends
from moto.organizations.models import FakeAccount, FakeOrganizationalUnit, FakePolicy, organizations_backends
from moto.s3.models import s3_backends

from sandbox import organization as org
from sandbox.behaviour import POLICY_CHANGES, POLICY_CREATED, ROLES, Behaviour, policy_arn
from sandbox.estate import USERS
from sandbox.policies import CUSTOMER_POLICIES
from sandbox.roles import Group, Role, User, unique_id
from sandbox.traps import TRAP_POLICIES
from sandbox.world import identity_store

POLICIES = CUSTOMER_POLICIES | TRAP_POLICIES


def install(behaviour: Behaviour) -> None:
    organization(behaviour, org.UNITS, tuple(org.ACCOUNTS.values()), org.GUARDRAILS)
    # What is called from now on is no part of the past: moto would date each role's last use by the real clock.
    moto_iam.mark_account_as_visited = lambda **_: None
    for role in ROLES:
        for reference in (*role.managed, role.boundary):
            if reference.startswith("customer:"):
                _policy(behaviour, role.account, reference)
    _policy(behaviour, org.DEVELOPMENT, "customer:SharedRead")  # attached to nobody
    for role in ROLES:
        add_role(behaviour, role)
    for user in USERS:
        add_user(behaviour, user)
    for account in org.ACCOUNTS:
        _providers(behaviour, account)
    _trail(behaviour)


def organization(
    behaviour: Behaviour,
    units: tuple[org.Unit, ...],
    accounts: tuple[org.Account, ...],
    guardrails: tuple[org.Guardrail, ...],
) -> None:
    joined = behaviour.ago(1200)
    backend = organizations_backends[org.MANAGEMENT]["aws"]
    backend.create_organization(org.HOME_REGION, FeatureSet="ALL")
    assert backend.org is not None
    root, backend.org.id, backend.org.root_id = backend.ou[0], org.ORGANIZATION_ID, org.ROOT_ID
    backend.org.master_account_email = "management@example.com"
    root.id = org.ROOT_ID
    backend.accounts.clear()
    for default in backend.policies:
        default.attachments.clear()
        kind = default.type.lower()
        default._arn_format = f"arn:{{0}}:organizations::aws:policy/{kind}/{{3}}"
    for entity in (
        root,
        *(_unit(backend, unit) for unit in units),
        *(_account(backend, a, joined) for a in accounts),
    ):
        entity.attached_policies = []
        entity.organization_id = org.ORGANIZATION_ID
    for kind in ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"):
        backend.enable_policy_type(RootId=org.ROOT_ID, PolicyType=kind)
    for target in (org.ROOT_ID, *(unit.id for unit in units), *(a.id for a in accounts)):
        for full_access in ("p-FullAWSAccess", "p-RCPFullAWSAccess"):
            backend.attach_policy(PolicyId=full_access, TargetId=target)
    for g in guardrails:
        policy = FakePolicy(backend.org, Name=g.name, Description=g.name, Type=g.type, Content=json.dumps(g.document))
        policy.id = g.id
        backend.policies.append(policy)
        for target in g.targets:
            backend.attach_policy(PolicyId=g.id, TargetId=target)
    # The member accounts' default roles that moto makes are no part of this estate.
    for account in accounts:
        identity_store(account.id).roles.clear()
    backend.register_delegated_administrator(AccountId=org.SECURITY, ServicePrincipal="access-analyzer.amazonaws.com")


def _unit(backend: Any, unit: org.Unit) -> Any:
    made = FakeOrganizationalUnit(backend.org, Name=unit.name, ParentId=unit.parent)
    made.id = unit.id
    backend.ou.append(made)
    return made


def _account(backend: Any, account: org.Account, joined: datetime) -> Any:
    # moto gives the account a number of its own and fills its identity store: with no AWS managed policies, as it goes
    # away again.
    with patch.dict(os.environ, MOTO_IAM_LOAD_MANAGED_POLICIES="false"):
        made = FakeAccount(backend.org, AccountName=account.name, Email=f"{account.name}@example.com")
    del iam_backends[made.id]
    made.id, made.create_time, made.parent_id = account.id, joined.replace(tzinfo=None), account.unit
    made.joined_method = "INVITED" if account.id == org.MANAGEMENT else "CREATED"
    backend.accounts.append(made)
    return made


def _policy(behaviour: Behaviour, account: str, reference: str) -> None:
    store, name = identity_store(account), reference.removeprefix("customer:")
    if policy_arn(account, reference) in store.managed_policies:
        return
    document = json.dumps(POLICIES[name])
    policy = store.create_policy(f"{name} of the sandbox", "/", document, name, [])
    policy.id = unique_id("ANPA", account, name)
    policy.create_date = behaviour.ago(POLICY_CREATED.get((account, name), 650) - 0.5)
    policy.update_date = policy.versions[0].create_date = policy.create_date
    changed = POLICY_CHANGES.get((account, name))
    if changed:
        version = store.create_policy_version(policy.arn, document, True)
        version.create_date = policy.update_date = behaviour.ago(changed - 0.5)


def add_role(behaviour: Behaviour, role: Role) -> None:
    store = identity_store(role.account)
    made = store.create_role(
        role_name=role.name,
        assume_role_policy_document=json.dumps(role.trust),
        path=role.path,
        permissions_boundary=policy_arn(role.account, role.boundary) if role.boundary else None,
        description="",
        tags=[{"Key": k, "Value": v} for k, v in role.tags.items()],
        max_session_duration="3600",
    )
    del store.roles[made.id]
    made.id, made.create_date = role.id, behaviour.ago(role.age - 0.5)
    store.roles[made.id] = made
    for reference in role.managed:
        store.attach_role_policy(policy_arn(role.account, reference), role.name)
    for name, document in role.inline.items():
        store.put_role_policy(role.name, name, json.dumps(document))
    used = behaviour.last_used(role)
    if used:
        made.last_used = behaviour.ago(0) - timedelta(seconds=behaviour.end - used[0])
        made.last_used_region = used[1]  # type: ignore[assignment]


def add_group(group: Group) -> None:
    store = identity_store(group.account)
    store.create_group(group.name, group.path)
    for reference in group.managed:
        store.attach_group_policy(policy_arn(group.account, reference), group.name)
    for name, document in group.inline.items():
        store.put_group_policy(group.name, name, json.dumps(document))


def add_user(behaviour: Behaviour, user: User) -> None:
    store = identity_store(user.account)
    tags = [{"Key": k, "Value": v} for k, v in user.tags.items()]
    made = store.create_user(org.HOME_REGION, user.name, user.path, tags)
    made.permissions_boundary_arn = policy_arn(user.account, user.boundary) if user.boundary else None  # type: ignore[attr-defined]  # moto has none of users
    for group in user.groups:
        store.add_user_to_group(group, user.name)
    made.id, made.create_date = user.id, behaviour.ago(user.age)
    for reference in user.managed:
        store.attach_user_policy(policy_arn(user.account, reference), user.name)
    for name, document in user.inline.items():
        store.put_user_policy(user.name, name, json.dumps(document))
    key: Any = AccessKey(user.name, prefix="AKIA", account_id=user.account)  # type: ignore[abstract]
    fixed = {
        org.OPERATOR_USER: (org.OPERATOR_ACCESS_KEY, org.OPERATOR_SECRET_KEY),
        org.OUTSIDER_USER: (org.OUTSIDER_ACCESS_KEY, org.OUTSIDER_SECRET_KEY),
    }
    key.access_key_id, key.secret_access_key = fixed.get(user.name, (user.access_key, key.secret_access_key))
    key.create_date = behaviour.ago(user.age)
    calls = [h for h in behaviour.calls(user.arn) if h.times]
    if calls:
        latest = max(calls, key=lambda h: h.times[-1])
        when = datetime.fromtimestamp(latest.times[-1], UTC)
        key.last_used = AccessKeyLastUsed(when, latest.action.split(":")[0], latest.region)
    _keep(made, key)
    if user.disabled_key:
        former: Any = AccessKey(user.name, prefix="AKIA", account_id=user.account)  # type: ignore[abstract]
        former.access_key_id, former.status = user.former_key, "Inactive"
        former.create_date = behaviour.ago(user.disabled_key)
        _keep(made, former)
    if user.console:
        made.password = "not-a-password"
        logins = [h.times[-1] for h in behaviour.by_arn.get(user.arn, []) if h.kind == "consoleLogin"]
        made.password_last_used = datetime.fromtimestamp(max(logins), UTC) if logins else None


def _keep(user: Any, key: Any) -> None:
    user.access_keys.append(key)
    identity_store(user.account_id).access_keys[key.access_key_id] = key


def _providers(behaviour: Behaviour, account: str) -> None:
    """The OIDC providers that trust policies of the account name."""
    issuers = {
        statement["Principal"]["Federated"].split("oidc-provider/")[1]
        for role in ROLES
        if role.account == account
        for statement in role.trust["Statement"]
        if "oidc-provider/" in str(statement["Principal"].get("Federated", ""))
    }
    for issuer in sorted(issuers):
        made = identity_store(account).create_open_id_connect_provider(
            f"https://{issuer}", [], ["sts.amazonaws.com"], []
        )
        made.create_date = behaviour.ago(800)


def _trail(behaviour: Behaviour) -> None:
    # moto wants to see the bucket; its objects are served from the event store.
    s3_backends[org.SECURITY]["aws"].create_bucket(org.TRAIL_BUCKET, org.HOME_REGION)
    s3_backends[org.MANAGEMENT]["aws"].create_bucket(org.TRAIL_BUCKET + "-shadow", org.HOME_REGION)
    backend = cloudtrail_backends[org.MANAGEMENT][org.HOME_REGION]
    trail = backend.create_trail(
        org.TRAIL_NAME,
        org.TRAIL_BUCKET + "-shadow",
        None,  # type: ignore[arg-type]
        None,  # type: ignore[arg-type]
        True,
        True,
        True,
        True,
        None,  # type: ignore[arg-type]
        None,  # type: ignore[arg-type]
        None,  # type: ignore[arg-type]
        [],
    )
    trail.bucket_name = org.TRAIL_BUCKET
    record(behaviour)


def record(behaviour: Behaviour) -> None:
    """The trail records what it always did, since it always did."""
    trail = cloudtrail_backends[org.MANAGEMENT][org.HOME_REGION].trails[org.TRAIL_NAME]
    trail.put_event_selectors([], org.TRAIL_SELECTORS)
    trail.start_logging()
    trail.status.started, trail.status.stopped = behaviour.ago(800), None
