"""Why an engine cannot do its work: workers that died, were lost, or never began."""


class WorkersDiedError(Exception):
    """Worker processes die again and again on the same batch."""


class NoWorkersError(Exception):
    """There is no worker that could be used; nothing was begun.

    Attributes:
        faults: a sentence for each worker that there is, saying what is wrong with it.
    """

    def __init__(self, reason: str, faults: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.faults = faults


class WorkersLostError(Exception):
    """The workers, or the way to them, were lost while work was under way."""


class NotBegunError(Exception):
    """The work was called off before the batch was begun."""
