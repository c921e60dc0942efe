"""Account management: which Regions an account has enabled."""

from typing import Any

from sandbox import organization as org
from sandbox.aws.registry import operation, page
from sandbox.protocol import AwsError, Call
from sandbox.world import World


def _target(call: Call) -> str:
    target = str(call.params.get("AccountId") or call.account)
    if target != call.account and call.account not in (org.MANAGEMENT, org.SECURITY):
        raise AwsError(
            "AccessDeniedException", "User is not authorized to perform this operation for another account.", 403
        )
    return target


@operation("account", "ListRegions")
def list_regions(world: World, call: Call) -> dict[str, Any]:
    regions = [{"RegionName": name, "RegionOptStatus": "ENABLED_BY_DEFAULT"} for name in world.regions(_target(call))]
    wanted = call.params.get("RegionOptStatusContains")
    if wanted:
        regions = [r for r in regions if r["RegionOptStatus"] in wanted]
    regions, token = page(regions, int(call.params.get("MaxResults") or 50), call.params.get("NextToken"))
    return {"Regions": regions} | ({"NextToken": token} if token else {})


@operation("account", "GetRegionOptStatus")
def get_region_opt_status(world: World, call: Call) -> dict[str, Any]:
    name = call.params["RegionName"]
    enabled = name in world.regions(_target(call))
    return {"RegionName": name, "RegionOptStatus": "ENABLED_BY_DEFAULT" if enabled else "DISABLED"}
