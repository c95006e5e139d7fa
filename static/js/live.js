/* What is new for the person, while the page is open: by server-sent events, or by asking every half a
   minute where those don't come. The bell is read again when something has changed. */
import { showToast } from "./messages.js";

const POLL_MS = 30_000;

function tell(name, detail) {
  document.body.dispatchEvent(new CustomEvent(name, { detail }));
}

export function startLive() {
  const bell = document.getElementById("bell");
  if (!bell) return;
  const address = bell.dataset.live;
  let events = null;
  let timer = null;
  let unread = null;

  const poll = () => {
    timer ??= setInterval(() => {
      if (!document.hidden) tell("terrace:notifications");
    }, POLL_MS);
  };

  const close = () => {
    events?.close();
    events = null;
  };

  const open = () => {
    if (events || timer) return;
    events = new EventSource(address);
    events.addEventListener("news", ({ data }) => {
      const news = JSON.parse(data);
      if (unread !== null && news.unread !== unread) tell("terrace:notifications");
      unread = news.unread;
      news.new.forEach(({ sentence }) => showToast(sentence, "info"));
      if (news.imports?.length) tell("terrace:imports", news.imports);
    });
    events.addEventListener("gone", () => {
      close();
      poll();
    });
    events.addEventListener("error", () => {
      // 204, or an error that the browser does not try again after.
      if (events?.readyState !== EventSource.CLOSED) return;
      close();
      poll();
    });
  };

  document.addEventListener("visibilitychange", () => {
    // A page that nobody sees gives its connection back.
    if (document.hidden) close();
    else {
      if (unread !== null || timer) tell("terrace:notifications");
      open();
    }
  });
  if (!document.hidden) open();
}
