"""A tenant's colours and faces as a stylesheet of its own: the policy of our pages allows no style in them.

Nothing of anybody's words gets into it: colours are `#` and six digits, checked again here, and faces are
names of our own list.
"""

from typing import Final

from tenant_apps.workspace import colours
from tenant_apps.workspace.fonts import FONTS
from tenant_apps.workspace.look import Look

CONTENT_TYPE: Final = "text/css; charset=utf-8"


def make_stylesheet(look: Look) -> str:
    """The tokens of tokens.css that this look sets otherwise, in the layer `brand`."""
    tokens: dict[str, str] = {}
    if look.accent:
        tokens |= _accent(colours.check_colour(look.accent))
    if look.brand:
        brand = colours.check_colour(look.brand)
        tokens |= {"brand": brand, "on-brand": colours.text_on(brand)}
    heading, body = FONTS[look.used_heading_font], FONTS[look.used_body_font]
    tokens |= {"font-display": heading.family, "font-body": body.family}
    if body.has_serifs:
        tokens["font-reading"] = body.family
    lines = "".join(f"    --{name}: {value};\n" for name, value in tokens.items())
    return f"@layer brand {{\n  :root {{\n{lines}  }}\n}}\n"


def _accent(colour: str) -> dict[str, str]:
    palette = colours.palette_of(colour)
    pairs = {
        "accent": palette.face,
        "accent-hover": palette.hover,
        "on-accent": palette.on_face,
        "accent-soft": palette.soft,
        "accent-line": palette.line,
    }
    named = {name: f"light-dark({pair.light}, {pair.dark})" for name, pair in pairs.items()}
    return {"brand-hue": f"{palette.hue:.1f}", **named}
