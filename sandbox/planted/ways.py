"""The ways to gain privileges that are planted: what each needs, and what it is done to.

Written from the public catalogue, one way a line: its name, what it is done to, the actions. A service in the second
column stands for a role that works for it; `self` and `group` are the attacker and a group that has more access.
"""

from dataclasses import dataclass

_TABLE = """
iam-add-user-to-group                     group               iam:AddUserToGroup
iam-attach-group-policy                   self-user           iam:AttachGroupPolicy
iam-attach-role-policy                    self-role           iam:AttachRolePolicy
iam-attach-user-policy                    self-user           iam:AttachUserPolicy
iam-create-policy-version                 self-role           iam:CreatePolicyVersion
iam-set-default-policy-version            self-role           iam:SetDefaultPolicyVersion
iam-put-group-policy                      self-user           iam:PutGroupPolicy
iam-put-role-policy                       self-role           iam:PutRolePolicy
iam-put-user-policy                       self-user           iam:PutUserPolicy

iam-attach-role-policy-assume             entered             iam:AttachRolePolicy sts:AssumeRole
iam-attach-role-policy-update-trust       taken               iam:AttachRolePolicy iam:UpdateAssumeRolePolicy
iam-attach-user-policy-access-key         user                iam:AttachUserPolicy iam:CreateAccessKey
iam-create-access-key                     user                iam:CreateAccessKey
iam-create-access-key-delete              user                iam:CreateAccessKey iam:DeleteAccessKey
iam-create-login-profile                  user                iam:CreateLoginProfile
iam-create-policy-version-assume          entered             iam:CreatePolicyVersion sts:AssumeRole
iam-create-policy-version-update-trust    taken               iam:CreatePolicyVersion iam:UpdateAssumeRolePolicy
iam-put-role-policy-assume                entered             iam:PutRolePolicy sts:AssumeRole
iam-put-role-policy-update-trust          taken               iam:PutRolePolicy iam:UpdateAssumeRolePolicy
iam-put-user-policy-access-key            user                iam:PutUserPolicy iam:CreateAccessKey
iam-update-assume-role-policy             taken               iam:UpdateAssumeRolePolicy
iam-update-login-profile                  user                iam:UpdateLoginProfile
sts-assume-role                           entered             sts:AssumeRole

apprunner-create-service                  tasks.apprunner     iam:PassRole apprunner:CreateService
bedrock-agentcore-create-code-interpreter bedrock-agentcore   iam:PassRole bedrock-agentcore:CreateCodeInterpreter bedrock-agentcore:StartCodeInterpreterSession bedrock-agentcore:InvokeCodeInterpreter
cloudformation-change-set                 cloudformation      cloudformation:CreateChangeSet cloudformation:ExecuteChangeSet
cloudformation-create-stack               cloudformation      iam:PassRole cloudformation:CreateStack
cloudformation-create-stack-set           cloudformation      iam:PassRole cloudformation:CreateStackSet cloudformation:CreateStackInstances
cloudformation-update-stack-set           cloudformation      iam:PassRole cloudformation:UpdateStackSet
codebuild-create-project-batch            codebuild           iam:PassRole codebuild:CreateProject codebuild:StartBuildBatch
codebuild-create-project-build            codebuild           iam:PassRole codebuild:CreateProject codebuild:StartBuild
datapipeline-create-pipeline              datapipeline        iam:PassRole datapipeline:CreatePipeline datapipeline:PutPipelineDefinition datapipeline:ActivatePipeline
ec2-request-spot-instances                ec2                 iam:PassRole ec2:RequestSpotInstances
ec2-run-instances                         ec2                 iam:PassRole ec2:RunInstances
ecs-create-cluster-run-task               ecs-tasks           iam:PassRole ecs:CreateCluster ecs:RegisterTaskDefinition ecs:RunTask
ecs-create-cluster-service                ecs-tasks           iam:PassRole ecs:CreateCluster ecs:RegisterTaskDefinition ecs:CreateService
ecs-create-service                        ecs-tasks           iam:PassRole ecs:RegisterTaskDefinition ecs:CreateService
ecs-run-task                              ecs-tasks           iam:PassRole ecs:RegisterTaskDefinition ecs:RunTask
ecs-start-task                            ecs-tasks           iam:PassRole ecs:RegisterTaskDefinition ecs:StartTask
eks-create-pod-identity-association       pods.eks            iam:PassRole eks:CreatePodIdentityAssociation
eks-update-pod-identity-association       pods.eks            iam:PassRole eks:UpdatePodIdentityAssociation
glue-create-dev-endpoint                  glue                iam:PassRole glue:CreateDevEndpoint
glue-create-job-start                     glue                iam:PassRole glue:CreateJob glue:StartJobRun
glue-create-job-trigger                   glue                iam:PassRole glue:CreateJob glue:CreateTrigger
glue-update-job-start                     glue                iam:PassRole glue:UpdateJob glue:StartJobRun
glue-update-job-trigger                   glue                iam:PassRole glue:UpdateJob glue:CreateTrigger
lambda-create-function-event-source       lambda              iam:PassRole lambda:CreateFunction lambda:CreateEventSourceMapping
lambda-create-function-invoke             lambda              iam:PassRole lambda:CreateFunction lambda:InvokeFunction
lambda-create-function-permission         lambda              iam:PassRole lambda:CreateFunction lambda:AddPermission
sagemaker-create-notebook-instance        sagemaker           iam:PassRole sagemaker:CreateNotebookInstance
sagemaker-create-processing-job           sagemaker           iam:PassRole sagemaker:CreateProcessingJob
sagemaker-create-training-job             sagemaker           iam:PassRole sagemaker:CreateTrainingJob

apprunner-update-service                  tasks.apprunner     apprunner:UpdateService
bedrock-agentcore-invoke-code-interpreter bedrock-agentcore   bedrock-agentcore:StartCodeInterpreterSession bedrock-agentcore:InvokeCodeInterpreter
cloudformation-update-stack               cloudformation      cloudformation:UpdateStack
codebuild-start-build                     codebuild           codebuild:StartBuild
codebuild-start-build-batch               codebuild           codebuild:StartBuildBatch
ec2-instance-connect-send-key             ec2                 ec2-instance-connect:SendSSHPublicKey ec2:DescribeInstances
ec2-launch-template-version               ec2                 ec2:CreateLaunchTemplateVersion ec2:ModifyLaunchTemplate
ec2-modify-instance-attribute             ec2                 ec2:ModifyInstanceAttribute ec2:StopInstances ec2:StartInstances
ecs-execute-command                       ecs-tasks           ecs:ExecuteCommand
glue-update-dev-endpoint                  glue                glue:UpdateDevEndpoint
lambda-update-function-code               lambda              lambda:UpdateFunctionCode
lambda-update-function-code-invoke        lambda              lambda:UpdateFunctionCode lambda:InvokeFunction
lambda-update-function-code-permission    lambda              lambda:UpdateFunctionCode lambda:AddPermission
sagemaker-notebook-lifecycle-config       sagemaker           sagemaker:CreateNotebookInstanceLifecycleConfig sagemaker:StopNotebookInstance sagemaker:UpdateNotebookInstance sagemaker:StartNotebookInstance
sagemaker-notebook-url                    sagemaker           sagemaker:CreatePresignedNotebookInstanceUrl
ssm-send-command                          ec2                 ssm:SendCommand
ssm-start-session                         ec2                 ssm:StartSession
"""
OWN, OTHERS = ("self-user", "self-role", "group"), ("entered", "taken", "user")


@dataclass(frozen=True)
class Way:
    name: str
    target: str
    actions: tuple[str, ...]

    @property
    def service(self) -> str:
        """Of which the target is a role; empty where it is no such role."""
        return "" if self.target in OWN + OTHERS else self.target

    @property
    def by_user(self) -> bool:
        return self.target in ("self-user", "group")


PLANTED = tuple(
    Way(name, target, tuple(actions)) for name, target, *actions in map(str.split, filter(None, _TABLE.splitlines()))
)
SERVICES = tuple(sorted({way.service for way in PLANTED if way.service}))
ACTIONS = tuple(sorted({action for way in PLANTED for action in way.actions}))


def guard_path(action: str) -> str:
    """Where the principals lie that an SCP keeps from the action."""
    return f"/scp/{action.replace(':', '-')}/"
