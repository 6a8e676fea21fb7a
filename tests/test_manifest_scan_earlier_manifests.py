import os

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.package import read_state
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.scan.earlier_manifests import known_streams
from support.in_process import Delivery

MEMBER = b"group_ouss_id/member_ouss_id"


def test_only_plans_and_manifests_of_the_same_origin_are_known(delivery: Delivery) -> None:
    delivery.make(Mode.HARD)
    delivery.plan(Mode.HARD)
    package, state = delivery.package, read_state(delivery.package)
    own = known_streams(package, state, os.fsencode(delivery.origin), OpenedFiles())
    assert [known.path for known in own] == [package.plan, package.last_plan, package.manifest(MEMBER)]
    assert known_streams(package, state, b"/elsewhere", OpenedFiles()) == ()
