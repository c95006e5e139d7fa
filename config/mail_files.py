"""Mails as files, for a developer's machine: one .eml each, which a mail program opens."""

import itertools
import os
import re
from collections.abc import Sequence
from typing import Any, Final

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

_UNFIT_FOR_A_NAME: Final = re.compile(r"[^A-Za-z0-9@.+_-]+")
_LONGEST_ADDRESS: Final = 100
_numbers = itertools.count(1)


class MailFiles(BaseEmailBackend):
    """Writes each mail into the folder that TERRACE_MAIL_DIR names, in the order they were sent.

    A file is there whole or not at all: whoever looks into the folder may read what they find.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.folder = settings.TERRACE_MAIL_DIR

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Write them. Returns how many."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for message in email_messages:
            path = self.folder / _name_for(message)
            unfinished = path.with_suffix(".part")
            unfinished.write_bytes(message.message().as_bytes())
            unfinished.rename(path)
        return len(email_messages)


def _name_for(message: EmailMessage) -> str:
    """The moment, to whom, and what tells two mails of one moment apart."""
    moment = timezone.now().strftime("%Y%m%d-%H%M%S-%f")
    whom = message.recipients()
    address = _UNFIT_FOR_A_NAME.sub("_", whom[0] if whom else "nobody")[:_LONGEST_ADDRESS]
    return f"{moment}-{address}-{os.getpid()}-{next(_numbers)}.eml"
