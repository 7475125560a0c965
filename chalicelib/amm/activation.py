"""When a Meteora pool opens: at a Unix time, or at a slot of the chain.

Both programs count in the same two ways: ``ActivationType`` in MeteoraAg/damm-v2@a3d3827
``programs/cp-amm/src/activation_handler.rs`` and in MeteoraAg/dlmm-sdk@fb02e51 ``idls/dlmm.json``.
"""

from enum import StrEnum


class ActivationType(StrEnum):
    """What an activation point counts; so does a fee schedule that begins there."""

    SLOT = "slot"
    TIMESTAMP = "timestamp"

    def point_at(self, timestamp_s: int, slot: int) -> int:
        """Return where the chain stands, in what this type counts."""
        return slot if self is ActivationType.SLOT else timestamp_s
