"""EKS: clusters by name only, and their Pod Identity associations, which moto lacks."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.aws.registry import operation, page
from sandbox.protocol import AwsError, Call
from sandbox.roles import unique_id
from sandbox.world import World

_SUMMARY = ("clusterName", "namespace", "serviceAccount", "associationArn", "associationId")


@dataclass
class Cluster:
    name: str
    account: str
    region: str
    created: datetime
    associations: dict[str, dict[str, Any]] = field(default_factory=dict)  # by id

    @property
    def arn(self) -> str:
        return f"arn:aws:eks:{self.region}:{self.account}:cluster/{self.name}"

    def summary(self) -> dict[str, Any]:
        return {"name": self.name, "arn": self.arn, "status": "ACTIVE", "createdAt": self.created}


def _clusters(world: World, call: Call) -> dict[str, Cluster]:
    made = (c for c in world.jobs.values() if isinstance(c, Cluster))
    return {c.name: c for c in made if (c.account, c.region) == (call.account, call.region)}


def _cluster(world: World, call: Call, name: str) -> Cluster:
    found = _clusters(world, call).get(name)
    if found is None:
        raise AwsError("ResourceNotFoundException", f"No cluster found for name: {name}.", 404, clusterName=name)
    return found


def _association(world: World, call: Call) -> dict[str, Any]:
    identifier = call.params["associationId"]
    found = _cluster(world, call, call.params["clusterName"]).associations.get(identifier)
    if found is None:
        raise AwsError("ResourceNotFoundException", f"The association {identifier} cannot be found.", 404)
    return found


def _page(world: World, call: Call, name: str, items: list[Any]) -> dict[str, Any]:
    size = int(call.params.get("maxResults") or world.settings.eksPageSize)
    items, token = page(items, size, call.params.get("nextToken"))
    return {name: items} | ({"nextToken": token} if token else {})


@operation("eks", "CreateCluster")
def create_cluster(world: World, call: Call) -> dict[str, Any]:
    name = call.params["name"]
    if name in _clusters(world, call):
        raise AwsError("ResourceInUseException", f"Cluster already exists with name: {name}", 409, clusterName=name)
    made = Cluster(name, call.account, call.region, world.now())
    world.jobs[made.arn] = made
    return {"cluster": made.summary()}


@operation("eks", "DeleteCluster")
def delete_cluster(world: World, call: Call) -> dict[str, Any]:
    cluster = _cluster(world, call, call.params["name"])
    del world.jobs[cluster.arn]
    return {"cluster": cluster.summary()}


@operation("eks", "ListClusters")
def list_clusters(world: World, call: Call) -> dict[str, Any]:
    return _page(world, call, "clusters", sorted(_clusters(world, call)))


@operation("eks", "CreatePodIdentityAssociation")
def create_pod_identity_association(world: World, call: Call) -> dict[str, Any]:
    """The role need not trust pods.eks.amazonaws.com: nothing looks at its trust policy before pods ask for credentials."""
    made = associate(_cluster(world, call, call.params["clusterName"]), call.params, world.now())
    return {"association": made}


def associate(cluster: Cluster, given: dict[str, Any], now: datetime) -> dict[str, Any]:
    place = given["namespace"], given["serviceAccount"]
    if any((one["namespace"], one["serviceAccount"]) == place for one in cluster.associations.values()):
        raise AwsError("ResourceInUseException", f"Association already exists: {'/'.join(place)}", 409)
    if given["roleArn"].split(":")[4] != cluster.account:
        raise AwsError("InvalidParameterException", "Cross-account pass role is not allowed.", 400)
    identifier = f"a-{unique_id('', cluster.arn, *place).lower()}"
    made = {
        "clusterName": cluster.name,
        "namespace": place[0],
        "serviceAccount": place[1],
        "roleArn": given["roleArn"],
        "associationArn": f"{cluster.arn.replace(':cluster/', ':podidentityassociation/')}/{identifier}",
        "associationId": identifier,
        "tags": given.get("tags") or {},
        "createdAt": now,
        "modifiedAt": now,
        "disableSessionTags": bool(given.get("disableSessionTags")),
    }
    if given.get("targetRoleArn"):
        external_id = "/".join((cluster.region, cluster.account, cluster.name, *place))
        made |= {"targetRoleArn": given["targetRoleArn"], "externalId": external_id}
    if given.get("policy"):
        made["policy"] = given["policy"]
    cluster.associations[identifier] = made
    return made


@operation("eks", "ListPodIdentityAssociations")
def list_pod_identity_associations(world: World, call: Call) -> dict[str, Any]:
    """Without their roles."""
    found = _cluster(world, call, call.params["clusterName"]).associations
    return _page(
        world, call, "associations", [{name: one[name] for name in _SUMMARY} for _, one in sorted(found.items())]
    )


@operation("eks", "DescribePodIdentityAssociation")
def describe_pod_identity_association(world: World, call: Call) -> dict[str, Any]:
    return {"association": _association(world, call)}


@operation("eks", "DeletePodIdentityAssociation")
def delete_pod_identity_association(world: World, call: Call) -> dict[str, Any]:
    found = _association(world, call)
    del _cluster(world, call, call.params["clusterName"]).associations[found["associationId"]]
    return {"association": found}
