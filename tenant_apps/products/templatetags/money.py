from django.template import Library

from tenant_apps.products.money import format_money

register = Library()


@register.filter
def money(minor: int | None, currency: str) -> str:
    """`{{ variant.price_minor|money:workspace.currency }}`: the amount as people read it."""
    return "" if minor is None else format_money(minor, str(currency))
