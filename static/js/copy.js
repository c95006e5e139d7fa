/* <button data-copy="text">: puts the text on the clipboard and says so. */
export function startCopyButtons() {
  document.querySelectorAll("[data-copy]").forEach((button) => {
    const words = button.textContent;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
      setTimeout(() => {
        button.textContent = words;
      }, 2000);
    });
  });
}
