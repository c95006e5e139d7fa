/* The address follows the name until the visitor types one of their own. */
const form = document.querySelector("[data-sign-up]");

if (form) {
  const addressOf = () => form.querySelector("[name=subdomain]");
  let isChosen = addressOf().value !== "";

  form.addEventListener("input", (event) => {
    if (event.target === addressOf()) isChosen = addressOf().value !== "";
  });

  // Nor is it taken from under the fingers of somebody who is about to type one.
  const isTheirs = () => isChosen || document.activeElement === addressOf();

  form.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.name === "name" && isTheirs()) event.preventDefault();
  });

  // What was typed before this script was there: no key will tell of it.
  const name = form.querySelector("[name=name]");
  const suggest = () => {
    if (name.value && !isChosen) name.dispatchEvent(new CustomEvent("typed-before"));
  };
  document.body.addEventListener("htmx:load", suggest, { once: true });
  // Nor of a suggestion that came while they were in the field and left it empty.
  form.addEventListener("focusout", ({ target }) => {
    if (target === addressOf()) suggest();
  });

  // What was said of the last address is not true of this one.
  form.addEventListener("htmx:afterSwap", ({ target }) => {
    if (target.id !== "address-word") return;
    if (target.querySelector(".field__error")) addressOf().setAttribute("aria-invalid", "true");
    else addressOf().removeAttribute("aria-invalid");
  });

  // An older answer must not overtake what has been typed since.
  form.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.requestConfig.elt.name === "name" && isTheirs()) event.preventDefault();
  });
}
