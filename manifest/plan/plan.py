"""Plan: the value before it is written, and how it is written.

What makes a plan of something other than an origin, such as a removal, needs this and not how an origin is planned.
"""

from collections.abc import Mapping

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.files import save_durably
from qa2pack.manifest.format.header import Header, Notes
from qa2pack.manifest.plan.destination import Destination
from qa2pack.manifest.scan.gathered import Gathered


@dataclass(slots=True)
class Plan:
    """A plan before it is written.

    Attributes:
        devices: device numbers of the sources, each with the path of one of them.
    """

    header: Header
    notes: Notes
    destination: Destination
    gathered: Gathered

    @property
    def devices(self) -> Mapping[int, bytes]:
        """The device numbers of the sources, each with the path of one of them."""
        return self.gathered.devices


def save_plan(plan: Plan) -> bytes:
    """Write the plan into the control folder, which must exist, durably; return its digest."""
    return save_durably(plan.destination.package.plan, plan.header, plan.notes, plan.gathered.spool.sorted_blobs())
