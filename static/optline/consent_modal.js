/* The consent modal. A link with data-consent-modal opens what it leads to in a dialog, a button with
   data-consent-modal="ADDRESS" that address; what is inside comes from the server as a fragment. Without this script
   every link and form works as a page of its own. A page that wants to know of changes made in the dialog listens for
   "optline:consent-changed" on the document, which comes when it closes. */

(() => {
  "use strict";

  const FRAGMENT = "X-Fragment";
  const SIGNED_OUT = "You are signed out. Sign in again in another tab, then come back and try once more.";
  const REFUSED = "You may not do this, or you were signed out meanwhile. What you typed is still here to be copied.";
  const GONE = "This is no longer there. Close this and look again.";
  const BROKEN = "Something went wrong, and it is not certain what was done. Close this, open it again and look.";
  const OFFLINE = "The server can't be reached. Nothing you typed is lost: try again.";

  let dialog = null;
  let opener = null;
  let changed = false;
  let loading = false;
  let looking = 0;

  // A request that was made a moment ago is soon with the provider, and the status follows.
  const SOON = 1500;

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-consent-modal]");
    const elsewhere = event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    if (link && !elsewhere && !event.defaultPrevented && window.HTMLDialogElement) {
      event.preventDefault();
      open(link);
    }
  });

  function open(link) {
    opener = link;
    changed = false;
    dialog = dialog || make();
    dialog.innerHTML =
      '<div class="consent"><header class="consent-header"><h2 id="consent-title" tabindex="-1">Consent</h2>' +
      '<button type="button" class="consent-close" data-consent-close aria-label="Close">✕</button></header>' +
      '<p class="consent-body" role="status">Loading…</p></div>';
    dialog.showModal();
    load(address(link));
  }

  function address(link) {
    return link.dataset.consentModal || link.href;
  }

  function make() {
    const made = document.createElement("dialog");
    made.className = "consent-modal";
    made.setAttribute("aria-labelledby", "consent-title");
    document.body.append(made);
    made.addEventListener("click", (event) => {
      if (event.target.closest("[data-consent-close]")) {
        made.close();
        return;
      }
      const go = event.target.closest("a[data-consent-go]");
      if (go && !(event.metaKey || event.ctrlKey || event.shiftKey)) {
        event.preventDefault();
        load(go.href);
      }
    });
    made.addEventListener("submit", (event) => {
      if (event.target.matches("[data-consent-form]")) {
        event.preventDefault();
        load(event.target.action, { method: "POST", body: new FormData(event.target) });
      }
    });
    made.addEventListener("close", closed);
    return made;
  }

  async function load(from, options = {}) {
    if (loading) {
      return;
    }
    loading = true;
    dialog.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(from, { ...options, headers: { [FRAGMENT]: "1" } });
      if (answer.headers.has(FRAGMENT)) {
        show(await answer.text());
      } else if (answer.redirected || answer.status === 401) {
        warn(SIGNED_OUT);
      } else {
        warn({ 403: REFUSED, 404: GONE }[answer.status] || BROKEN);
      }
    } catch {
      warn(OFFLINE);
    } finally {
      loading = false;
      dialog.removeAttribute("aria-busy");
    }
  }

  function show(html) {
    const chosen = [...dialog.querySelectorAll("input[type=file]")].filter((input) => input.files.length);
    dialog.innerHTML = html;
    for (const input of dialog.querySelectorAll("input[type=file]")) {
      input.hasChangeListener = true; // or Unfold looks for parts of its own file field around it, and fails
    }
    // A form that comes back with an error can't name the file that was chosen: it is put back here.
    for (const input of chosen) {
      const again = dialog.querySelector(`input[type=file][name="${input.name}"]`);
      if (again) {
        again.files = input.files;
      }
    }
    changed = changed || dialog.querySelector("[data-consent-changed]") !== null;
    const first = dialog.querySelector('[aria-invalid="true"], [data-consent-focus]');
    (first || dialog.querySelector("#consent-title") || dialog).focus();
    if (!first) {
      dialog.scrollTop = 0;
    }
    lookAgain();
  }

  function lookAgain() {
    clearTimeout(looking);
    if (dialog.open && dialog.querySelector("[data-consent-soon]") && !dialog.querySelector("[data-consent-form]")) {
      looking = setTimeout(refresh, SOON);
    }
  }

  // Only what has changed is put in place, and nothing where the reader is.
  async function refresh() {
    const link = opener;
    const fresh = document.createElement("template");
    try {
      const answer = await fetch(address(link), { headers: { [FRAGMENT]: "1" } });
      if (!answer.headers.has(FRAGMENT)) {
        return;
      }
      fresh.innerHTML = await answer.text();
    } catch {
      return; // what is shown stays as it was
    }
    if (loading || !dialog.open || opener !== link || dialog.querySelector("[data-consent-form]")) {
      return; // they have gone on meanwhile, perhaps to somebody else
    }
    for (const line of fresh.content.querySelectorAll("section[aria-labelledby]")) {
      const old = dialog.querySelector(`section[aria-labelledby="${line.getAttribute("aria-labelledby")}"]`);
      if (old && old.querySelector("[data-consent-soon]") && !old.contains(document.activeElement)) {
        old.replaceWith(line);
        changed = true;
      }
    }
    lookAgain();
  }

  function warn(words) {
    const body = dialog.querySelector(".consent-body");
    const before = body.querySelector("[data-consent-trouble]");
    const note = before || document.createElement("p");
    note.className = "consent-note consent-warning";
    note.dataset.consentTrouble = "";
    note.tabIndex = -1;
    note.setAttribute("role", "alert");
    note.textContent = words;
    if (!before) {
      body.prepend(note);
    }
    note.focus();
  }

  async function closed() {
    const link = opener;
    link.focus();
    if (!changed) {
      return;
    }
    document.dispatchEvent(new CustomEvent("optline:consent-changed", { detail: { address: address(link) } }));
    const list = document.getElementById("result_list");
    if (!list) {
      return;
    }
    // The list behind the dialog shows what was true before.
    try {
      const answer = await fetch(window.location.href);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("result_list");
      if (fresh) {
        list.replaceWith(fresh);
        [...fresh.querySelectorAll("[data-consent-modal]")].find((each) => address(each) === address(link))?.focus();
      }
    } catch {
      // The list stays as it was until the next look at it.
    }
  }
})();
