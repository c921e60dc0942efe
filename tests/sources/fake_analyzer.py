"""Access Analyzer in a few lines, for one landscape: one job at a time, tokens, and deaths of the process at any call."""

import json
from datetime import UTC, datetime, timedelta

from plumbline.aws.errors import Invalid, QuotaExceeded

OVER_QUOTA = "SERVICE_QUOTA_EXCEEDED_ERROR"


class Killed(BaseException):
    """The process ends here."""


class Analyzer:
    """What AWS knows lives here; the store lives elsewhere. `looks`: reads until a job has ended."""

    partition = "aws"

    def __init__(self, looks=1, actions=None):
        self.jobs, self.looks, self.now = [], looks, datetime(2026, 6, 30, 6, tzinfo=UTC)
        self.actions = actions or {}
        self.failure = {}  # role name -> jobError
        self.files, self.quota = (lambda day: 1), 100_000  # how many log files a day has; how many a job reads
        self.seen = None  # (role name, start, end) -> actions, instead of the same ones for any window
        self.complete = False
        self.status = {}  # role name -> how its job ends
        self.policy = {}  # role name -> text instead of a policy
        self.refuses = {}  # operation -> error
        self.calls, self.kill_at, self.kill_after = 0, None, False
        self.asked = []

    def started(self):
        return [job["principal"].rpartition("/")[2] for job in self.jobs]

    def call(self, service, operation, *, account, region, **parameters):
        assert service == "access-analyzer"
        self._step(operation, before=True)
        answer = getattr(self, operation)(account, region, **parameters)
        self._step(operation, before=False)
        return answer

    def pages(self, service, operation, **parameters):
        yield self.call(service, operation, **parameters)

    def _step(self, operation, before):
        if before:
            self.calls += 1
            self.asked.append(operation)
            if operation in self.refuses:
                raise self.refuses[operation]
        if self.calls == self.kill_at and before != self.kill_after:
            raise Killed

    def StartPolicyGeneration(self, account, region, *, clientToken, **request):  # noqa: N802, N803
        principal = request["policyGenerationDetails"]["principalArn"]
        details = request["cloudTrailDetails"]
        assert details["endTime"] - details["startTime"] <= timedelta(days=90)
        assert details["startTime"] < details["endTime"]
        same = [job for job in self.jobs if (job["account"], job["token"]) == (account, clientToken)]
        if same:
            return {"jobId": same[0]["id"]}
        if any(job["status"] == "IN_PROGRESS" and job["account"] == account for job in self.jobs):
            raise QuotaExceeded("one at a time", code="ServiceQuotaExceededException", remedy="wait")
        job = {
            "id": f"job-{len(self.jobs)}",
            "account": account,
            "principal": principal,
            "token": clientToken,
            "status": "IN_PROGRESS",
            "started": self.now,
            "looks": 0,
            "start": details["startTime"],
            "end": details["endTime"],
            "access_role": details["accessRole"],
            "trails": details["trails"],
            "error": None,
        }
        self.jobs.append(job)
        return {"jobId": job["id"]}

    def ListPolicyGenerations(self, account, region, **_):  # noqa: N802
        week = self.now - timedelta(days=7)
        return {
            "policyGenerations": [
                {"jobId": j["id"], "principalArn": j["principal"], "status": j["status"], "startedOn": j["started"]}
                for j in self.jobs
                if j["started"] > week and j["account"] == account
            ]
        }

    def GetGeneratedPolicy(self, account, region, *, jobId, **_):  # noqa: N802, N803
        found = [j for j in self.jobs if j["id"] == jobId and j["started"] > self.now - timedelta(days=7)]
        if not found:
            raise Invalid("no such job", code="ValidationException")
        (job,) = found
        name = job["principal"].rpartition("/")[2]
        job["looks"] += 1
        if job["status"] == "IN_PROGRESS" and job["looks"] > self.looks:
            job["error"] = OVER_QUOTA if self.size(job) > self.quota else self.failure.get(name)
            job["status"] = self.status.get(name, "FAILED" if job["error"] else "SUCCEEDED")
        details = {"jobId": jobId, "status": job["status"], "startedOn": job["started"]}
        if job["status"] == "FAILED":
            details["jobError"] = {"code": job["error"] or "SERVICE_ERROR", "message": "it went wrong"}
        names = self.actions.get(name, ["s3:GetBucketLocation"])
        if self.seen is not None:
            names = self.seen(name, job["start"], job["end"])
        text = self.policy.get(name) or json.dumps({"Statement": [{"Effect": "Allow", "Action": names}]})
        properties = {"isComplete": self.complete, "principalArn": job["principal"]}
        properties["cloudTrailProperties"] = {
            "trailProperties": job["trails"],
            "startTime": job["start"],
            "endTime": job["end"],
        }
        policies = [{"policy": text}] if job["status"] == "SUCCEEDED" else []
        return {
            "jobDetails": details,
            "generatedPolicyResult": {"properties": properties, "generatedPolicies": policies},
        }

    def size(self, job):
        day, files = job["start"], 0
        while day < job["end"]:
            files, day = files + self.files(day), day + timedelta(days=1)
        return files
