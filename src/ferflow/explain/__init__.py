"""Where the evidence of an answer lies in a face, and whether such a map is true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferflow.late import late_modules

if TYPE_CHECKING:
    from ferflow.explain import gradcam as gradcam

__getattr__ = late_modules(__name__)
