"""What is reported of running batches: each byte once, never more than there is, and nothing is taken back."""

from hypothesis import given
from hypothesis import strategies as st

from qa2pack.manifest.progress import SteadyProgress, steady


class Reported:
    """Adds up what it is reported."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int, int]] = []
        self.calls: list[tuple[int, int]] = []

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        self.phases.append((name, file_count, byte_count))
        self.calls.clear()

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        self.calls.append((file_count, byte_count))

    @property
    def byte_count(self) -> int:
        return sum(size for _, size in self.calls)


def test_bytes_of_a_running_batch_are_reported_once() -> None:
    reported = Reported()
    progress = SteadyProgress(reported)
    progress.phase("stage", file_count=3, byte_count=100)
    progress.look(30)
    progress.look(45)
    progress.advance(file_count=2, byte_count=60)
    progress.look(10)
    assert reported.phases == [("stage", 3, 100)]
    assert reported.calls == [(0, 30), (0, 15), (2, 15), (0, 10)]


def test_batch_that_is_begun_again_is_reported_only_when_it_has_passed_what_it_was() -> None:
    reported = Reported()
    progress = SteadyProgress(reported)
    progress.phase("stage", byte_count=100)
    for running in (60, 10, 60, 80):
        progress.look(running)
    assert reported.calls == [(0, 60), (0, 0), (0, 0), (0, 20)]


def test_new_phase_counts_from_nothing() -> None:
    reported = Reported()
    progress = SteadyProgress(reported)
    progress.phase("stage", byte_count=100)
    progress.advance(byte_count=70)
    progress.phase("verify", byte_count=50)
    progress.look(20)
    assert reported.calls == [(0, 20)]


def test_totals_that_become_known_later_keep_what_was_done() -> None:
    reported = Reported()
    progress = SteadyProgress(reported)
    progress.phase("scan")
    progress.look(30)
    progress.phase("scan", file_count=2, byte_count=100)
    progress.look(40)
    assert reported.phases == [("scan", 0, 0), ("scan", 2, 100)]
    assert reported.calls == [(0, 10)], "the 30 were reported before"


@given(
    st.integers(0, 300),
    st.lists(st.tuples(st.sampled_from(["look", "advance"]), st.integers(0, 100))),
)
def test_reported_bytes_never_go_backwards_or_past_the_total(total: int, steps: list[tuple[str, int]]) -> None:
    reported = Reported()
    progress = SteadyProgress(reported)
    progress.phase("stage", byte_count=total)
    done = 0
    for call, count in steps:
        if call == "look":
            progress.look(count)
        else:
            progress.advance(byte_count=count)
            done += count
        assert reported.calls[-1][1] >= 0
        assert reported.byte_count >= (min(done, total) if total else done)
        assert reported.byte_count <= total or not total


def test_steady_progress_stays_the_same() -> None:
    progress = steady(Reported())
    assert steady(progress) is progress
