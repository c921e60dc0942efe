"""Puts the planted organization into moto. Knows moto's objects; must not know what is to be found."""

import json

from moto.organizations.models import organizations_backends

from sandbox import inventory
from sandbox import organization as org
from sandbox.aws.eks import Cluster, associate
from sandbox.behaviour import Behaviour
from sandbox.planted import federation, hops, targets
from sandbox.planted.accounts import ACCOUNTS, DATA, GUARDRAILS, UNITS, WITHOUT_FULL_ACCESS
from sandbox.roles import unique_id
from sandbox.trail import Bucket
from sandbox.world import World, identity_store

ROLES = (*hops.ROLES, *federation.ROLES, *targets.ROLES)
USERS = (*hops.USERS, *targets.USERS)
GROUPS = (*hops.GROUPS, *targets.GROUPS)
POLICIES = hops.POLICIES | targets.POLICIES


def install(behaviour: Behaviour) -> World:
    """The organization, of which no logs are kept."""
    inventory.organization(behaviour, UNITS, ACCOUNTS, GUARDRAILS)
    for account in WITHOUT_FULL_ACCESS:
        organizations_backends[org.MANAGEMENT]["aws"].detach_policy(PolicyId="p-FullAWSAccess", TargetId=account)
    for (account, name), document in POLICIES.items():
        made = identity_store(account).create_policy("", "/", json.dumps(document), name, [])
        made.id = unique_id("ANPA", account, name)
    for group in GROUPS:
        inventory.add_group(group)
    for role in ROLES:
        inventory.add_role(behaviour, role)
    for user in USERS:
        inventory.add_user(behaviour, user)
    world = World(behaviour, Bucket([]))
    _cluster(world)
    return world


def _cluster(world: World) -> None:
    cluster = Cluster(federation.CLUSTER, DATA, org.HOME_REGION, world.now())
    world.jobs[cluster.arn] = cluster
    for one in federation.ASSOCIATIONS:
        given = {"namespace": "shop", "serviceAccount": one.service_account, "roleArn": one.role}
        associate(cluster, given | one.more, world.now())
