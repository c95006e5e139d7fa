/* Messages get a close button; showToast puts one over the page. */
function addCloseButton(message) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "message__close";
  button.setAttribute("aria-label", "Close this message");
  button.textContent = "×";
  button.addEventListener("click", () => message.remove());
  message.append(button);
}

export function showToast(sentence, level = "info") {
  const toast = document.createElement("li");
  toast.className = `message message--${level}`;
  const text = document.createElement("span");
  text.className = "message__text";
  text.textContent = sentence;
  toast.append(text);
  addCloseButton(toast);
  document.getElementById("toasts").append(toast);
}

export function startMessages() {
  document.querySelectorAll("[data-message]").forEach(addCloseButton);
}
