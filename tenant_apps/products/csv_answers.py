"""CSV files as answers to a request: the page, the admin and the API send the same."""

from django.http import StreamingHttpResponse

from tenant_apps.products.models import ProductQuerySet
from tenant_apps.products.money import current_currency
from tenant_apps.products.product_export import export_products


def answer_csv(*, products: ProductQuerySet, format_name: str) -> StreamingHttpResponse:
    """A file of products, sent while it is written. `format_name` as for `export_products`."""
    lines = export_products(products=products, format_name=format_name, currency=current_currency())
    return StreamingHttpResponse(
        (line.encode() for line in lines),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="products-{format_name}.csv"'},
    )
