"""Signals: the first waits for the batch where that was promised, the second does not."""

import contextlib
import os
import signal

import pytest

from runner.tracking.signals import Interrupted, handled, held_back


def test_a_signal_stops_at_once_where_nobody_promised_to_look():
    with handled(), pytest.raises(Interrupted) as raised:
        os.kill(os.getpid(), signal.SIGTERM)
    assert raised.value.exit_status == 143


def test_a_deferred_signal_is_raised_by_the_check():
    with handled() as signals, pytest.raises(Interrupted) as raised, signals.deferred():
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.received == signal.SIGINT
        signals.check()
    assert raised.value.exit_status == 130


def test_a_deferred_signal_that_nobody_checked_is_raised_at_the_end():
    with handled() as signals, pytest.raises(Interrupted), signals.deferred():
        os.kill(os.getpid(), signal.SIGINT)


def test_a_second_signal_does_not_wait():
    with handled() as signals, pytest.raises(Interrupted), signals.deferred():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the second signal must stop at once")


def test_the_handlers_from_before_come_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with handled():
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_signal_that_a_library_swallowed_is_raised_by_the_next_check():
    with handled() as signals:
        with contextlib.suppress(BaseException):  # as some libraries do
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted) as raised:
            signals.check()
    assert raised.value.exit_status == 143


def test_what_fails_after_a_signal_failed_because_of_it():
    with handled() as signals, pytest.raises(Interrupted) as raised, signals.not_mistaken():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except BaseException as error:
            raise RuntimeError("the compiler failed") from error
    assert raised.value.exit_status == 143
    with handled() as signals, pytest.raises(RuntimeError), signals.not_mistaken():
        raise RuntimeError("of its own")


def test_a_signal_waits_until_a_record_is_written():
    written = []
    with handled(), pytest.raises(Interrupted):
        with held_back():
            os.kill(os.getpid(), signal.SIGTERM)
            written.append("whole")
        pytest.fail("it arrives at the end")
    assert written == ["whole"]


def test_promises_within_promises_hold_to_the_end_of_the_outer_one():
    with handled() as signals, pytest.raises(Interrupted), signals.deferred():
        with signals.deferred():
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received == signal.SIGTERM
