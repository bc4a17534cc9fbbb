"""A model on Amazon Bedrock, asked by Converse: one call, one tool it must use, no second try."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    ReadTimeoutError,
)

from autorecovery.adapters.aws.errors import code_of
from autorecovery.errors import AnalysisError
from autorecovery.ports import Prompt, Reply

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

_REFUSED = {
    "ThrottlingException": "too many requests just now",
    "ServiceQuotaExceededException": "a quota is used up",
    "AccessDeniedException": "access is denied: to this model, or by the role",
    "ResourceNotFoundException": "no such model or profile in this region",
    "ValidationException": "the request is not valid; a model may want an inference profile",
    "ModelNotReadyException": "the model is not ready",
    "ServiceUnavailableException": "the service is not available",
    "UnrecognizedClientException": "the credentials are not valid",
    "ExpiredTokenException": "the credentials have expired",
}
"""Refused before the model read anything: costs nothing."""


class BedrockModel:
    """Model over the Converse API."""

    def __init__(self, client: Callable[[], "BedrockRuntimeClient"], name: str) -> None:
        """`name` is the id or ARN of a model or an inference profile; the client is made late."""
        self._client = client
        self.name = name

    def ask(self, prompt: Prompt) -> Reply:
        """See Model.ask."""
        tool: Any = {"name": prompt.tool, "inputSchema": {"json": prompt.schema}}
        with _answering():
            answer = self._client().converse(
                modelId=self.name,
                system=[{"text": prompt.instructions}],
                messages=[{"role": "user", "content": [{"text": prompt.text}]}],
                toolConfig={
                    "tools": [{"toolSpec": tool}], "toolChoice": {"tool": {"name": prompt.tool}},
                },
                # Unset, it reserves the model's maximum, and is throttled for that.
                inferenceConfig={"maxTokens": prompt.most_tokens},
            )  # fmt: skip
        return _reply(answer, prompt.tool)


def _reply(answer: Mapping[str, Any], tool: str) -> Reply:
    usage = answer.get("usage") or {}
    if not {"inputTokens", "outputTokens"} <= set(usage):
        raise AnalysisError("Converse did not say what it used", billed=True)
    message = (answer.get("output") or {}).get("message") or {}
    used = (block.get("toolUse") or {} for block in message.get("content") or [])
    content = next((each.get("input") for each in used if each.get("name") == tool), None)
    return Reply(
        content=content,
        stopped=str(answer.get("stopReason", "unknown")),
        input_tokens=usage["inputTokens"],
        output_tokens=usage["outputTokens"],
    )


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        meaning = f" ({_REFUSED[code]})" if code in _REFUSED else ""
        raise AnalysisError(f"Converse: {code}{meaning}", billed=code not in _REFUSED) from error
    except ReadTimeoutError as error:
        raise AnalysisError("Converse: no answer in time", billed=True) from error
    except (
        ConnectTimeoutError, EndpointConnectionError, NoCredentialsError, NoRegionError,
        ParamValidationError,
    ) as error:  # fmt: skip
        raise AnalysisError(f"Converse: not asked: {error}", billed=False) from error
    except BotoCoreError as error:
        raise AnalysisError(f"Converse: {type(error).__name__}", billed=True) from error
