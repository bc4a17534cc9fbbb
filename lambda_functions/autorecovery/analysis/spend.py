"""What a question may cost and did cost; asked only where the day's money has room for the most."""

from dataclasses import dataclass
from datetime import datetime
from math import ceil

from autorecovery.config import AnalysisSettings
from autorecovery.ports import Prompt, Reply, Reservation

MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """Millionths of a dollar per thousand tokens."""

    input: float
    output: float

    @classmethod
    def of(cls, settings: AnalysisSettings) -> "Price":
        """Return what the configured model costs."""
        return cls(settings.input_usd_per_1k * MICRO, settings.output_usd_per_1k * MICRO)

    def micro_usd(self, input_tokens: int, output_tokens: int) -> int:
        """Return what so many tokens cost, rounded up."""
        return ceil((input_tokens * self.input + output_tokens * self.output) / 1000)


def most(prompt: Prompt, price: Price) -> int:
    """Return the most that asking can cost, in millionths of a dollar.

    A token stands for a byte at the least: not even hostile text is cut into more of them.
    """
    size = len(prompt.instructions) + len(prompt.text) + len(str(prompt.schema))
    return price.micro_usd(size, prompt.most_tokens)


def reservation(token: str, now: datetime, micro_usd: int) -> Reservation:
    """Return the money to set aside on this day."""
    return Reservation(token, now.date(), micro_usd)


def cost_of(reply: Reply, price: Price) -> int:
    """Return what an answer cost, in millionths of a dollar."""
    return price.micro_usd(reply.input_tokens, reply.output_tokens)
