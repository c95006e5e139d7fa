/* What every page gets on top of plain HTML. Each page works without it. */
import { startMenus } from "./menus.js";
import { startMessages, showToast } from "./messages.js";
import { startThemeSwitch } from "./theme_switch.js";
import { startForms } from "./forms.js";
import { startCopyButtons } from "./copy.js";
import { startPictures } from "./pictures.js";
import { startLive } from "./live.js";

startThemeSwitch();
startMenus();
startMessages();
startForms();
startCopyButtons();
startPictures();
startLive();

document.addEventListener("htmx:configRequest", ({ detail }) => {
  const token = document.querySelector("[name=csrfmiddlewaretoken]");
  if (token) detail.headers["X-CSRFToken"] = token.value;
});

document.addEventListener("htmx:sendError", () => {
  showToast("No connection. Nothing was sent; try again in a moment.", "error");
});

document.addEventListener("htmx:responseError", ({ detail }) => {
  const { status } = detail.xhr;
  const sentence =
    status === 429
      ? "Too many requests. Wait a minute, then try again."
      : status === 403
        ? "You may not do that. Reload the page and log in again if needed."
        : "That did not work, and nothing was changed. Try again in a moment.";
  showToast(sentence, "error");
});

// allauth's scripts: the person closed the browser's window, or the device has no such passkey.
document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  showToast("The passkey was not used, and nothing was changed. Try again, or take another way.", "error");
});
