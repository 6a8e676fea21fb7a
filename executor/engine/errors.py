"""Engine errors: worker processes that died, workers that were lost, no usable workers."""


class WorkersDiedError(Exception):
    """Worker processes die again and again on the same batch."""


class NoWorkersError(Exception):
    """There is no usable worker; nothing was started.

    Attributes:
        faults: a sentence for each worker that exists, saying why it cannot be used.
    """

    def __init__(self, reason: str, faults: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.faults = faults


class WorkersLostError(Exception):
    """The workers, or the connection to them, were lost during the work."""


class NotBegunError(Exception):
    """The run was stopped before a worker had begun the batch."""
