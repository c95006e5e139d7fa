/* Follows the making of a workspace by server-sent events, or by asking again where those don't come. */
const list = document.querySelector("[data-progress]");
const PAUSE_MS = 1000;
const FIRST_EVENT_MS = 4000;

function show(state) {
  for (const { name, state: stepState, took } of state.steps) {
    const step = list.querySelector(`[data-step="${name}"]`);
    if (!step) continue;
    step.dataset.state = stepState;
    step.querySelector("[data-took]").textContent = took;
  }
  if (state.url) {
    location.replace(state.url);
    return true;
  }
  if (state.error) {
    location.reload();
    return true;
  }
  return false;
}

async function poll() {
  try {
    const answer = await fetch(list.dataset.stateUrl, { headers: { Accept: "application/json" } });
    if (answer.ok && show(await answer.json())) return;
  } catch {
    // The connection is gone for a moment: ask again.
  }
  setTimeout(poll, PAUSE_MS);
}

function follow() {
  const events = new EventSource(list.dataset.eventsUrl);
  const giveUp = () => {
    events.close();
    poll();
  };
  const patience = setTimeout(giveUp, FIRST_EVENT_MS);
  events.addEventListener("progress", ({ data }) => {
    clearTimeout(patience);
    if (show(JSON.parse(data))) events.close();
  });
  events.addEventListener("gone", giveUp);
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) giveUp();
  });
}

if (list) follow();
