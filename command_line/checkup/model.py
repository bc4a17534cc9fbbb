"""May the configured model be asked: what Bedrock says of it. No text is generated."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from command_line.checkup.finding import Finding, well, wrong

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient

SUBJECT = "analysis.model"

_GEOGRAPHY = re.compile(r"^(global|[a-z]{2,4}(-gov)?)\.(?=[a-z0-9-]+\.)")
"""Before a model's id: of an inference profile that spreads over regions."""

_GONE = ("ResourceNotFoundException", "ValidationException")


def look_at_model(model: str, bedrock: "BedrockClient") -> Iterator[Finding]:
    """Yield whether the profile is active, and whether each model behind it may be used."""
    models = [model.rpartition("/")[2]]
    if _GEOGRAPHY.match(model) or "inference-profile/" in model:
        try:
            profile = bedrock.get_inference_profile(inferenceProfileIdentifier=model)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _GONE:
                raise
            yield wrong(SUBJECT, f"there is no inference profile {model} in this region", _LIST)
            return
        if profile["status"] != "ACTIVE":
            yield wrong(SUBJECT, f"the inference profile {model} is not active", _LIST)
            return
        models = [each.get("modelArn", "").rpartition("/")[2] for each in profile["models"]]
    for name in dict.fromkeys(models):
        yield _availability(name, bedrock)


_LIST = "choose one of: aws bedrock list-inference-profiles"


def _availability(model: str, bedrock: "BedrockClient") -> Finding:
    try:
        told = bedrock.get_foundation_model_availability(modelId=model)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in _GONE:
            raise
        return wrong(
            SUBJECT, f"there is no model {model} in this region",
            "choose one of: aws bedrock list-foundation-models",
        )  # fmt: skip
    for good, trouble, fix in (
        (
            told["regionAvailability"] == "AVAILABLE",
            "is not offered in this region",
            "set analysis.region, or an inference profile that reaches another region",
        ),
        (
            told["agreementAvailability"]["status"] == "AVAILABLE",
            "has an agreement that nobody accepted for this account",
            "open it once in the Bedrock console's model catalog; Anthropic's models also want"
            " their use-case form",
        ),
        (
            told["authorizationStatus"] == "AUTHORIZED",
            "may not be used by this account",
            "ask whoever set your organization's policies (SCP)",
        ),
        (
            told["entitlementAvailability"] == "AVAILABLE",
            "is not entitled for this account",
            "open it once in the Bedrock console's model catalog",
        ),
    ):
        if not good:
            return wrong(SUBJECT, f"{model} {trouble}", fix)
    return well(
        SUBJECT,
        f"{model} is offered, agreed to, authorized and entitled; whether the function's role may"
        " ask it is not looked at, and no text was generated",
    )
