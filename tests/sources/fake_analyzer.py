"""Access Analyzer in a few lines, for one landscape: one job at a time, tokens, and deaths of the process at any call."""

from datetime import UTC, datetime, timedelta

from plumbline.aws.errors import Invalid, QuotaExceeded


class Killed(BaseException):
    """The process ends here."""


class Analyzer:
    """What AWS knows lives here; the store lives elsewhere. `looks`: reads until a job has ended."""

    partition = "aws"

    def __init__(self, looks=1, actions=None):
        self.jobs, self.looks, self.now = [], looks, datetime(2026, 6, 30, 6, tzinfo=UTC)
        self.actions = actions or {}
        self.failure = {}  # role name -> jobError
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
        }
        self.jobs.append(job)
        return {"jobId": job["id"]}

    def ListPolicyGenerations(self, account, region, *, principalArn, **_):  # noqa: N802, N803
        week = self.now - timedelta(days=7)
        found = [j for j in self.jobs if (j["account"], j["principal"]) == (account, principalArn)]
        return {
            "policyGenerations": [
                {"jobId": j["id"], "principalArn": principalArn, "status": j["status"], "startedOn": j["started"]}
                for j in found
                if j["started"] > week
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
            job["status"] = self.status.get(name, "FAILED" if name in self.failure else "SUCCEEDED")
        details = {"jobId": jobId, "status": job["status"], "startedOn": job["started"]}
        if job["status"] == "FAILED":
            details["jobError"] = {"code": self.failure.get(name, "SERVICE_ERROR"), "message": "it went wrong"}
        names = self.actions.get(name, ["s3:GetBucketLocation"])
        listed = ", ".join(f'"{action}"' for action in names)
        text = self.policy.get(name) or f'{{"Statement": [{{"Effect": "Allow", "Action": [{listed}]}}]}}'
        properties = {"isComplete": False, "principalArn": job["principal"]}
        properties["cloudTrailProperties"] = {"startTime": job["start"], "endTime": job["end"]}
        policies = [{"policy": text}] if job["status"] == "SUCCEEDED" else []
        return {
            "jobDetails": details,
            "generatedPolicyResult": {"properties": properties, "generatedPolicies": policies},
        }
