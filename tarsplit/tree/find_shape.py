"""Find the shape of a tree by its form."""

from collections.abc import Sequence

from qa2pack.manifest.bundle.ocfl_object import Inventory
from qa2pack.manifest.format.delivery_form import DeliveryForm
from qa2pack.tarsplit.place.place import Place
from qa2pack.tarsplit.state import EarlierVersion
from qa2pack.tarsplit.tree.object_shape import ObjectShape, check_first_version, inventories
from qa2pack.tarsplit.tree.shape import Amount, BagShape, FolderShape, Shape, TreeName


def shape_of(
    tree: TreeName,
    form: DeliveryForm,
    checksums: Sequence[str],
    amount: Amount,
    place: Place,
    earlier: EarlierVersion | None = None,
    *,
    is_made: bool = True,
) -> Shape:
    """Return the shape of a tree.

    Args:
        checksums: names of those that are wanted of each file.
        place: where the tree is.
        earlier: the version that an object had before.
        is_made: it is there; else it is being made.

    Raises:
        InventoryError, PlaceError: what is where in an object of several versions cannot be known, or one that
            is to be made is there with others.
    """
    match form:
        case DeliveryForm.BAG:
            return BagShape(tree, checksums, amount)
        case DeliveryForm.OCFL if earlier:
            before, head = inventories(place, tree.name, earlier)
            return ObjectShape(tree, checksums, before, head.at(earlier.version + 1) if is_made else None)
        case DeliveryForm.OCFL:
            if not is_made:
                check_first_version(place, tree.name)
            return ObjectShape(tree, checksums, Inventory.empty(tree.name), None)
        case _:
            return FolderShape(tree, checksums)
