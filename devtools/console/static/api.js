// Talks to the stand-in's page API. A failure of the line itself comes back like any other refusal.

async function ask(path, options) {
  try {
    const response = await fetch(path, options);
    return await response.json();
  } catch (error) {
    return { ok: false, error: "no_connection", detail: String(error) };
  }
}

export function post(name, body) {
  const headers = { "Content-Type": "application/json" };
  return ask(`/_page/${name}`, { method: "POST", headers, body: JSON.stringify(body) });
}

export function readState(persona) {
  return ask(`/_page/state?persona=${encodeURIComponent(persona)}`);
}

// Calls back at every change in the workspace, and says whether the line is up.
export function listen(changed, line) {
  const source = new EventSource("/_page/events");
  source.addEventListener("change", changed);
  source.addEventListener("open", () => line(true));
  source.addEventListener("error", () => line(false));
}
