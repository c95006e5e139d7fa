"""How often a visitor of the front door may do what."""

from datetime import timedelta

from shared_apps.domains.throttling import Limit

CODES_PER_ADDRESS = Limit(
    "codes-address",
    5,
    timedelta(hours=1),
    "We have sent several codes to this e-mail address already. Use the newest one.",
)
CODES_PER_VISITOR = Limit(
    "codes-visitor",
    20,
    timedelta(hours=1),
    "Too many codes were asked for from your network.",
)
TRIES_PER_VISITOR = Limit(
    "tries-visitor", 30, timedelta(hours=1), "Too many wrong codes came from your network."
)
WORKSPACES_PER_VISITOR = Limit(
    "workspaces-visitor", 20, timedelta(hours=1), "Too many workspaces were asked for."
)
CHECKS_PER_VISITOR = Limit(
    "checks-visitor", 120, timedelta(minutes=1), "Too many addresses were checked."
)
FINDS_PER_ADDRESS = Limit(
    "finds-address",
    3,
    timedelta(hours=1),
    "We have written to this e-mail address already. Look into the spam folder too.",
)
FINDS_PER_VISITOR = Limit(
    "finds-visitor", 10, timedelta(hours=1), "Too many mails were asked for from your network."
)
