"""Find my workspace."""

from django.core import mail

from shared_apps.front_door import finding
from shared_apps.tenants.models import Tenant
from tests.shared_apps.front_door.conftest import Visitor, VisitorMaker

PETER = "peter@example.com"


def test_list_is_mailed_and_nobody_elses(new_visitor: VisitorMaker) -> None:
    visitor = new_visitor()
    visitor.verifies(PETER)
    visitor.wishes()
    new_visitor().post("/find/", email="PETER@example.com")
    letter = mail.outbox[-1]
    assert letter.to == [PETER]
    assert "http://initech.localhost" in str(letter.body)
    assert "acme" not in str(letter.body)
    assert "globex" not in str(letter.body)


def test_answer_is_the_same_whatever_is_found(new_visitor: VisitorMaker) -> None:
    owner = new_visitor()
    owner.verifies(PETER)
    owner.wishes()
    answers = []
    for email in (PETER, "nobody@example.com"):
        visitor = new_visitor()
        answer = visitor.post("/find/", email=email)
        page = visitor.get(answer["Location"])
        answers.append((answer.status_code, answer["Location"], answer.content, page.content))
        assert email not in page.content.decode()
    assert answers[0] == answers[1]


def test_address_without_a_workspace_is_told_so_by_mail(visitor: Visitor) -> None:
    visitor.post("/find/", email="nobody@example.com")
    body = str(mail.outbox[-1].body)
    assert "No workspace has an account for this e-mail address" in body
    assert "acme" not in body


def test_workspace_that_is_not_served_is_left_out(visitor: Visitor) -> None:
    visitor.verifies(PETER)
    visitor.wishes()
    for status, count in (("active", 1), ("trial", 1), ("read_only", 1), ("suspended", 0)):
        Tenant.objects.filter(subdomain="initech").update(status=status)
        assert finding.mail_workspaces(PETER) == count, status


def test_fourth_list_for_one_address_is_throttled(new_visitor: VisitorMaker) -> None:
    for _ in range(3):
        assert new_visitor().post("/find/", email=PETER).status_code == 302
    answer = new_visitor().post("/find/", email=PETER)
    assert answer.status_code == 429
    assert "We have written to this e-mail address already" in answer.content.decode()
    assert len(mail.outbox) == 3
