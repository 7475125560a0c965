"""The one place where adapters meet services."""

from chalicelib.bootstrap.wiring import Services, services

__all__ = ["Services", "services"]
