/* [data-theme-switch]: light or dark, kept in this browser; choosing the system's own forgets the choice. */
const SYSTEM_DARK = matchMedia("(prefers-color-scheme: dark)");

function current() {
  return document.documentElement.dataset.theme ?? (SYSTEM_DARK.matches ? "dark" : "light");
}

function choose(theme) {
  const isSystem = theme === (SYSTEM_DARK.matches ? "dark" : "light");
  if (isSystem) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (isSystem) localStorage.removeItem("theme");
    else localStorage.setItem("theme", theme);
  } catch {
    // Storage is switched off: the choice holds for this page.
  }
}

export function startThemeSwitch() {
  document.querySelectorAll("[data-theme-switch]").forEach((button) => {
    button.addEventListener("click", () => choose(current() === "dark" ? "light" : "dark"));
  });
}
