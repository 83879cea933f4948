"""Figures, pictures and pages made of results; no computing of results here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferflow.late import late_modules

if TYPE_CHECKING:
    from ferflow.reporting import (
        abstention as abstention,
    )
    from ferflow.reporting import (
        comparison as comparison,
    )
    from ferflow.reporting import (
        contact_sheet as contact_sheet,
    )
    from ferflow.reporting import (
        figure as figure,
    )
    from ferflow.reporting import (
        gallery as gallery,
    )
    from ferflow.reporting import (
        history as history,
    )
    from ferflow.reporting import (
        outline as outline,
    )
    from ferflow.reporting import (
        page as page,
    )
    from ferflow.reporting import (
        plot_folder as plot_folder,
    )
    from ferflow.reporting import (
        plots as plots,
    )
    from ferflow.reporting import (
        summary as summary,
    )
    from ferflow.reporting import (
        sweep_plots as sweep_plots,
    )
    from ferflow.reporting import (
        templates as templates,
    )
    from ferflow.reporting import (
        timeline as timeline,
    )

__getattr__ = late_modules(__name__)
