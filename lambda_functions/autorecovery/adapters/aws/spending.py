"""What models cost by the day, in the incident table:

spending#<day>  book: `spent`, and an attribute `held_<token>` for each call that is not settled
"""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from autorecovery.adapters.aws.errors import storing
from autorecovery.ports import Reservation

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEPT_FOR = timedelta(days=400)


class DynamoDbSpending:
    """SpendingLog over the incident table.

    Each write names its call, so that a retry of the client's own finds that it was made.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def reserve(self, wanted: Reservation, limit_micro_usd: int) -> bool:
        """See SpendingLog.reserve."""
        room = limit_micro_usd - wanted.micro_usd
        if room < 0:
            return False
        try:
            with storing("spending"):
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(wanted.day),
                    UpdateExpression="SET spent = if_not_exists(spent, :none) + :cost,"
                    " #held = :cost, expires = :expires",
                    ConditionExpression="attribute_not_exists(#held)"
                    " AND (attribute_not_exists(spent) OR spent <= :room)",
                    ExpressionAttributeNames={"#held": f"held_{wanted.token}"},
                    ExpressionAttributeValues={
                        ":none": {"N": "0"},
                        ":cost": {"N": str(wanted.micro_usd)},
                        ":room": {"N": str(room)},
                        ":expires": {"N": str(_expiry(wanted.day))},
                    },
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except ClientError as error:
            answer: Any = error.response
            return f"held_{wanted.token}" in answer.get("Item", {})
        return True

    def settle(self, reservation: Reservation, spent_micro_usd: int) -> None:
        """See SpendingLog.settle."""
        too_much = spent_micro_usd - reservation.micro_usd
        try:
            with storing("spending"):
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(reservation.day),
                    UpdateExpression="SET spent = spent + :more REMOVE #held",
                    ConditionExpression="attribute_exists(#held)",
                    ExpressionAttributeNames={"#held": f"held_{reservation.token}"},
                    ExpressionAttributeValues={":more": {"N": str(too_much)}},
                )
        except ClientError:
            return  # settled already

    def spent(self, day: date) -> int:
        """See SpendingLog.spent."""
        with storing("spending"):
            found = self._client.get_item(
                TableName=self._table, Key=_key(day), ConsistentRead=True
            ).get("Item")
        return int(found["spent"]["N"]) if found else 0


def _key(day: date) -> dict[str, dict[str, str]]:
    return {"pk": {"S": f"spending#{day.isoformat()}"}, "sk": {"S": "book"}}


def _expiry(day: date) -> int:
    return ((day + KEPT_FOR) - date(1970, 1, 1)).days * 24 * 3600
