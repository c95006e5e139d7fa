"""Pictures of products. Each verb runs in the tenant's schema."""

from django.core.exceptions import ValidationError
from django.db.models import Max

from tenant_apps.images import Sent
from tenant_apps.products import catalogue, picture_files
from tenant_apps.products.errors import PictureAddressInvalid, TooManyPictures
from tenant_apps.products.models import Product, ProductImage, check_picture_address
from tenant_apps.products.permissions import require_change
from tenant_apps.users.models import User

MAX_PICTURES = 250


def add_picture(
    *, product: Product, alt: str, by: User, sent: Sent | None = None, url: str = ""
) -> ProductImage:
    """Put a picture behind the product's others.

    Args:
        sent: a file, which is made anew and kept here.
        url: or the address of a picture that lies elsewhere.
        alt: what it shows, for those who can't see it.
    Raises:
        NotAllowed: `by` may not change products.
        ImageRefused: the file can't be taken.
        PictureAddressInvalid: the address is none of a picture.
        TooManyPictures: the product has as many as it may have.
    """
    require_change(by)
    if sent is None:
        try:
            check_picture_address(url)
        except ValidationError as error:
            raise PictureAddressInvalid(" ".join(error.messages)) from error
    pictures = product.images.aggregate(last=Max("position"))
    if product.images.count() >= MAX_PICTURES:
        raise TooManyPictures(f'"{product}" has {MAX_PICTURES} pictures, which is the most.')
    address = url if sent is None else picture_files.keep_file(sent)
    image = ProductImage(
        product=product, url=address, alt=alt, position=(pictures["last"] or 0) + 1
    )
    try:
        catalogue.change_parts(product=product, kept=[image], by=by)
    except BaseException:
        if sent is not None:
            picture_files.delete_file(address)
        raise
    return image
