"""What a server looks after by itself, in a thread, round by round."""

import logging
import threading

log = logging.getLogger(__name__)


class Rounds:
    """Looks again and again until closed; a subclass says at what."""

    def __init__(self, name: str, after_fault: float) -> None:
        self.closing = False
        self._name = name
        self._after_fault = after_fault  # seconds
        self._awake = threading.Event()
        self._thread = threading.Thread(target=self._go_round, name=name, daemon=True)

    def look(self) -> float | None:
        """One round; seconds until the next one is due, None: when woken."""
        raise NotImplementedError

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Let the next round begin now."""
        self._awake.set()

    def close(self, seconds: float | None = None) -> None:
        """End after this round; wait for it, or so long."""
        self.closing = True
        self.wake()
        self._thread.join(seconds)

    def _go_round(self) -> None:
        while not self.closing:
            try:
                pause = self.look()
            except Exception:  # a full disk, say: there will be room again
                log.exception("%s cannot be looked after", self._name)
                pause = self._after_fault
            self._awake.wait(pause)
            self._awake.clear()
