/* <details data-menu>: closes on Escape, on a click elsewhere, and when focus leaves it. */
export function startMenus() {
  const open = () => document.querySelectorAll("details[data-menu][open]");

  document.addEventListener("click", (event) => {
    open().forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    open().forEach((menu) => {
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  });

  document.addEventListener("focusin", (event) => {
    open().forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });
}
