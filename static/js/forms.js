/*
 * <form data-once>: the second press of a submit button does nothing while the first is under way.
 * <form data-confirm="Sentence?">: asks first.
 * [data-hides="id"]: a checkbox that hides the element while it is ticked.
 * The first field with an error gets the focus.
 */
function guard(form) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) {
      event.preventDefault();
      return;
    }
    if (!("once" in form.dataset)) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    event.submitter?.setAttribute("aria-busy", "true");
  });
}

function hideWhileTicked(box) {
  const target = document.getElementById(box.dataset.hides);
  const apply = () => {
    target.hidden = box.checked;
    target.querySelectorAll("input").forEach((input) => {
      input.disabled = box.checked;
    });
  };
  box.addEventListener("change", apply);
  apply();
}

export function startForms() {
  document.querySelectorAll("form[data-once], form[data-confirm]").forEach(guard);
  document.querySelectorAll("[data-hides]").forEach(hideWhileTicked);
  document.querySelector("form [aria-invalid=true]")?.focus();

  // The back button may bring a page out of memory with its form already "sent".
  window.addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-sent]").forEach((form) => {
      delete form.dataset.sent;
      form.querySelectorAll("[aria-busy]").forEach((button) => button.removeAttribute("aria-busy"));
    });
  });
}
