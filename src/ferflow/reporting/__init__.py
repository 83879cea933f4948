"""Figures, pictures and pages made of results; no computing of results here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferflow.late import late_modules

if TYPE_CHECKING:
    from ferflow.reporting import comparison as comparison
    from ferflow.reporting import gallery as gallery
    from ferflow.reporting import history as history
    from ferflow.reporting import outline as outline
    from ferflow.reporting import page as page
    from ferflow.reporting import plot_folder as plot_folder
    from ferflow.reporting import sweep_plots as sweep_plots
    from ferflow.reporting import templates as templates
    from ferflow.reporting import timeline as timeline

__getattr__ = late_modules(__name__)
