"""Engine errors: worker processes that died, workers that were lost, no usable workers."""

from qa2pack.manifest.problem import Code, PackError, Problem


class WorkersDiedError(PackError):
    """Worker processes die again and again on the same batch."""

    problems = (Problem(Code.WORKERS_DIED, b""),)


class NoWorkersError(PackError):
    """There is no usable worker; nothing was started.

    Attributes:
        faults: a sentence for each worker that exists, saying why it cannot be used.
    """

    def __init__(self, reason: str, faults: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.faults = faults
        self.problems = tuple(Problem(Code.NO_WORKERS, b"", found=fault) for fault in faults or (reason,))


class WorkersLostError(PackError):
    """The workers, or the connection to them, were lost during the work."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.problems = (Problem(Code.CLUSTER_LOST, b"", found=reason),)


class CalledOffError(Exception):
    """The run was stopped before the batch was done: no worker had begun it, or it was within a big file."""
