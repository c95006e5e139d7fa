/*
 * <img data-fallback="address">: a picture that cannot be had is replaced by that one, once.
 * Products' pictures lie at other people's addresses, which come and go.
 */
function replace(image) {
  const { fallback } = image.dataset;
  if (!fallback) return;
  delete image.dataset.fallback;
  image.src = fallback;
}

export function startPictures() {
  // An error of a picture does not bubble, but it can be caught on its way down.
  document.addEventListener("error", ({ target }) => target instanceof HTMLImageElement && replace(target), true);
  document.querySelectorAll("img[data-fallback]").forEach((image) => {
    if (image.complete && image.naturalWidth === 0) replace(image);
  });
}
