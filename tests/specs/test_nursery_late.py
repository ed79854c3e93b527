"""A late answer of the nursery is nobody's."""

import contextlib
import os
import signal

from reconciler.specs.nursery import Nursery


def test_an_end_that_was_answered_too_late_is_not_taken_for_the_next_child() -> None:
    made = Nursery()
    try:
        first = made.start()
        assert made.process is not None
        made._line.settimeout(0.3)  # type: ignore[union-attr]  # TO_ANSWER, shortened
        old = made.process
        os.kill(old, signal.SIGSTOP)
        assert first.end() is None  # the machine is loaded: no answer in time
        with contextlib.suppress(ProcessLookupError):  # it may have been given up, which is right
            os.kill(old, signal.SIGCONT)
        second = made.start()
        assert second.process > 1, f"the next child is thought to be process {second.process}"  # type: ignore[attr-defined]
    finally:
        made.close()
