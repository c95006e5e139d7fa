"""Mails to people of the workspace, sent by a worker: a mail server that is down breaks no request."""

from collections.abc import Sequence

from django.core.mail import EmailMessage, EmailMultiAlternatives

from tenant_apps.sender import reply_to


def post_letter(letter: EmailMessage) -> None:
    """Have a mail sent once this transaction is committed. It is tried for about half an hour.

    Until then its text, with the link in it, stands in the queue.
    Runs in: the tenant's schema.
    """
    from tenant_apps.users.tasks import send_letter as send_letter_task

    pages = [str(body) for body, kind in getattr(letter, "alternatives", ()) if kind == "text/html"]
    send_letter_task.delay_on_commit(
        subject=str(letter.subject),
        text=str(letter.body),
        html=pages[0] if pages else "",
        sender=letter.from_email,
        to=list(letter.to),
    )


def send_letter(*, subject: str, text: str, html: str, sender: str, to: Sequence[str]) -> None:
    """Hand a mail to the mail server; answers to it go where the workspace says.

    Raises:
        SMTPException, OSError: that failed.
    """
    letter = EmailMultiAlternatives(subject, text, sender, to, reply_to=reply_to())
    if html:
        letter.attach_alternative(html, "text/html")
    letter.send()
