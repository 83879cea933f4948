"""Whether this machine can run the pipeline."""

from __future__ import annotations

from ferflow.doctor import Check, check_machine

__all__ = ["Check", "check_machine"]
