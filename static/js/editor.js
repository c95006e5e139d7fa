/*
 * <form data-keep-at="address">: keeps what is typed on the server, as the writer's own unsaved words, a moment
 * after each pause and when the page is left. #kept-state says so.
 */
const PAUSE_MS = 2000;
const RETRY_MS = 15000;
const form = document.querySelector("form[data-keep-at]");
const state = document.getElementById("kept-state");
let timer;
let last = form ? snapshot() : "";
let sent = false;

function snapshot() {
  return JSON.stringify([...new FormData(form)].filter(([name]) => name !== "csrfmiddlewaretoken"));
}

function say(sentence, isWrong = false) {
  state.textContent = sentence;
  state.classList.toggle("is-wrong", isWrong);
}

function later(pause) {
  clearTimeout(timer);
  timer = setTimeout(keep, pause);
}

async function keep() {
  clearTimeout(timer);
  const now = snapshot();
  if (sent || now === last) return;
  try {
    const answer = await fetch(form.dataset.keepAt, {
      method: "POST",
      body: new FormData(form),
      headers: { Accept: "application/json" },
      redirect: "manual",
    });
    if (answer.ok) {
      last = now;
      const { kept_at: at } = await answer.json();
      if (!at) return say("Nothing is unsaved.");
      const time = new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      say(`Kept for you at ${time}; not saved yet.`);
    } else if (answer.status === 400) {
      say(`Not kept. ${(await answer.json()).refused}`, true);
    } else if (answer.type === "opaqueredirect" || answer.status === 403) {
      say("Not kept: you are logged out. Log in again in another tab; this page stays as it is.", true);
      later(RETRY_MS);
    } else {
      say("Not kept: something went wrong. It is tried again in a moment.", true);
      later(RETRY_MS);
    }
  } catch {
    say("Not kept: no connection. It is tried again in a moment.", true);
    later(RETRY_MS);
  }
}

function keepOnTheWayOut() {
  if (sent || snapshot() === last) return;
  // A browser takes 64 KiB at most on the way out; longer texts were kept at the last pause.
  if (navigator.sendBeacon(form.dataset.keepAt, new FormData(form))) last = snapshot();
}

if (form) {
  form.addEventListener("input", () => later(PAUSE_MS));
  form.addEventListener("submit", (event) => {
    if (!event.defaultPrevented) sent = true;
  });
  // Another form of the page (the cover, the schedule) leads away: what is typed is kept first, so that
  // the next page shows it.
  document.addEventListener("submit", async (event) => {
    if (event.target === form || event.defaultPrevented || snapshot() === last) return;
    event.preventDefault();
    await keep();
    event.target.submit();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") keepOnTheWayOut();
  });
  window.addEventListener("pagehide", keepOnTheWayOut);
  window.addEventListener("pageshow", () => {
    sent = false;
  });
}

/* #put-picture: sends a picture, waits until its copies are made, and puts it where the cursor was. */
const place = document.getElementById("put-picture");
const WAIT_MS = 700;
const MOST_WAITS = 60;

async function whenMade(address) {
  for (let number = 0; number < MOST_WAITS; number += 1) {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error();
    const picture = await answer.json();
    if (picture.state !== "waiting") return picture;
    await new Promise((done) => setTimeout(done, WAIT_MS));
  }
  throw new Error();
}

function putIntoText(markdown) {
  const text = document.getElementById("id_body");
  const { selectionStart: start, selectionEnd: end } = text;
  text.setRangeText(`\n\n${markdown}\n\n`, start, end, "end");
  text.dispatchEvent(new Event("input", { bubbles: true }));
  text.focus();
}

async function putPicture(input, words) {
  const data = new FormData();
  data.set("file", input.files[0]);
  data.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  words.textContent = "Sending…";
  try {
    const answer = await fetch(place.dataset.addAt, { method: "POST", body: data, redirect: "manual" });
    const said = answer.ok || answer.status === 400 ? await answer.json() : {};
    if (!said.id) {
      words.textContent = said.refused ?? "That did not work. Try again in a moment.";
      return;
    }
    words.textContent = "It is being made…";
    const picture = await whenMade(`${place.dataset.addAt}${said.id}/`);
    words.textContent = picture.failure || "It stands in the text. Say in its brackets what it shows.";
    if (picture.markdown) putIntoText(picture.markdown);
  } catch {
    words.textContent = "That did not work. Try again in a moment.";
  } finally {
    input.value = "";
  }
}

if (form && place) {
  const input = document.getElementById("picture-file");
  input.addEventListener("change", () => {
    if (input.files.length) putPicture(input, document.getElementById("picture-state"));
  });
}
