"""Trainings and sweeps while they run: what is read, and how a terminal and a page show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferflow.late import late_modules

if TYPE_CHECKING:
    from ferflow.watching import page as page
    from ferflow.watching import state as state
    from ferflow.watching import sweeps as sweeps
    from ferflow.watching import terminal as terminal

__getattr__ = late_modules(__name__)
