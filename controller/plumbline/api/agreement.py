"""How far the findings of an analyzer of unused access agree with the verdicts. Figures, never a verdict."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from plumbline.api.common import StatusModel


class AgreementStatus(StatusModel):
    """Numbers of actions of one role. What is not compared, the analyzer does not evaluate, or evaluates for longer than
    the lookback."""

    agreed: Annotated[int, Field(description="Unused by the verdict and by a finding.")] = 0
    only_plumbline: Annotated[
        int, Field(description="Unused by the verdict; a finding would name it, and does not.")
    ] = 0
    used: Annotated[int, Field(description="Unused by a finding, and used by the verdict.")] = 0
    undetermined: Annotated[int, Field(description="Unused by a finding, and undetermined by the verdict.")] = 0
    not_compared: Annotated[int, Field(description="Unused by the verdict, beyond what the analyzer evaluates.")] = 0
    analyzer: str = ""
    findings: Annotated[list[str], Field(max_length=5)] = []
