"""Records of `logging` as lines of the journal."""

import logging

# The daemon cuts a message at 16 KiB of UTF-8; more need not be sent.
MESSAGE_LETTERS_MAX = 16384


def level_of(number):
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warning"
    return "info" if number >= logging.INFO else "debug"


class JournalHandler(logging.Handler):
    """Sends each record, with its traceback if it has one, and the logger's name as the field LOGGER."""

    def __init__(self, channel):
        super().__init__()
        self._channel = channel

    def emit(self, record):
        try:
            message = self.format(record)[:MESSAGE_LETTERS_MAX]
            params = {"level": level_of(record.levelno), "message": message, "fields": {"LOGGER": record.name}}
            self._channel.notify("log", params)
        except Exception:
            self.handleError(record)


def install(channel):
    root = logging.getLogger()
    root.addHandler(JournalHandler(channel))
    root.setLevel(logging.INFO)
