"""`manage.py create_operator EMAIL`: an account for the operators' admin."""

import getpass
import os
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from shared_apps.operators.models import Operator

PASSWORD_VARIABLE = "TERRACE_OPERATOR_PASSWORD"  # noqa: S105 - the variable's name


class Command(BaseCommand):
    """Makes an operator, or gives one that exists a new password."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """EMAIL and --name."""
        parser.add_argument("email")
        parser.add_argument("--name", default="", help="The operator's full name.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask for the password, or take it from the environment."""
        email: str = options["email"].strip().lower()
        password = os.environ.get(PASSWORD_VARIABLE) or getpass.getpass("Password: ")
        try:
            validate_email(email)
            validate_password(password)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        if Operator.objects.has_operator(email):
            Operator.objects.change_password(email=email, password=password)
            self.stdout.write(f"{email} has a new password.")
            return
        Operator.objects.create_operator(email=email, password=password, full_name=options["name"])
        self.stdout.write(f"Made operator {email}.")
