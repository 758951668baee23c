// The console works without this script, but for signing in. It brings the code of a
// link, keeps a progress bar moving, and asks before a job is cancelled. It writes text
// only, never markup.
"use strict";

const signIn = document.querySelector("[data-sign-in]");
if (signIn) {
  const code = location.hash.slice(1);
  history.replaceState(null, "", location.pathname); // the code stays in no history
  fetch("/console/session", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({code})})
    .then((r) => (r.ok ? r.json() : Promise.reject(new Error("refused"))))
    .then((body) => location.replace(body.path))
    .catch(() => {
      document.querySelector("[data-working]").hidden = true;
      document.querySelector("[data-refused]").hidden = false;
    });
}

const bar = document.querySelector("[data-progress]");
if (bar) {
  const text = document.querySelector("[data-progress-text]");
  const state = bar.dataset.state;
  const look = (failures) => {
    fetch(bar.dataset.progress, {headers: {Accept: "application/json"}})
      .then((r) => (r.ok ? r.json() : Promise.reject(new Error("no answer"))))
      .then((p) => {
        bar.max = Math.max(1, p.requested);
        bar.value = p.done;
        text.textContent = p.text;
        if (p.state !== state) {
          location.reload();
          return;
        }
        setTimeout(look, 200, 0);
      })
      .catch(() => setTimeout(look, Math.min(30000, 1000 * 2 ** failures), failures + 1));
  };
  look(0);
}

for (const form of document.querySelectorAll("form[data-confirm]")) {
  form.addEventListener("submit", (e) => { if (!confirm(form.dataset.confirm)) e.preventDefault(); });
}
