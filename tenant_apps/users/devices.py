"""A browser's User-Agent in words that a person knows. Never relied upon: anybody can write one."""

import re
from typing import Final

# The more special names first: Chrome calls itself Safari, Edge calls itself Chrome.
_PROGRAMS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
)
_PRODUCT = re.compile(r"\A([A-Za-z][\w .-]{1,30})/")


def device_name(user_agent: str) -> str:
    """As "Firefox on Linux"; a program's own name; or "Unknown device"."""
    program = next((name for sign, name in _PROGRAMS if sign in user_agent), "")
    system = next((name for sign, name in _SYSTEMS if sign in user_agent), "")
    if program and system:
        return f"{program} on {system}"
    product = _PRODUCT.match(user_agent)
    if not program and product and product[1] != "Mozilla":
        return product[1]
    return program or system or "Unknown device"
