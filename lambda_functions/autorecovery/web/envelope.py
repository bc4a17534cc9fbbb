"""The answers of `/monitor_info`, in the envelope that its agents expect."""

import json

SUCCESS = json.dumps(
    {"data": "", "pageInfo": {}, "resultCode": "0", "resultMessage": "Success", "success": True}
)


def failure(status: int, reason: str) -> str:
    """Return the answer that says why something was refused."""
    return json.dumps(
        {"data": "", "pageInfo": {}, "resultCode": str(status), "resultMessage": reason,
         "success": False}
    )  # fmt: skip
