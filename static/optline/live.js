// A page that stays up to date: it asks its address every two seconds and puts in place what has changed.

const EVERY = 2000;
const HIDDEN_EVERY = 30000;
const LONGEST_PAUSE = 30000;

// Calls `onNews` with what is new at `address` since `tag`, the version that the page shows. `onTrouble` gets a sentence when the page can't be kept up to date, and
// an empty one when it can again. The function that is returned asks at once.
export function watch(address, tag, onNews, onTrouble) {
    let failures = 0;
    let timer = 0;
    let asking = false;
    let again = false;
    let over = false;

    function plan() {
        clearTimeout(timer);
        const pause = Math.min(EVERY * 2 ** failures, LONGEST_PAUSE);
        timer = setTimeout(ask, document.hidden ? Math.max(pause, HIDDEN_EVERY) : pause);
    }

    async function ask() {
        if (asking || over) {
            again = asking;
            return;
        }
        asking = true;
        try {
            const headers = { Accept: "application/json", ...(tag && { "If-None-Match": tag }) };
            const answer = await fetch(address, { headers, cache: "no-store", signal: AbortSignal.timeout(15000) });
            if (answer.redirected || [401, 403, 404].includes(answer.status)) {
                over = true;
                onTrouble("This page is no longer kept up to date. Reload it, and sign in again if you are asked to.");
                return;
            }
            if (answer.status !== 304) {
                if (!answer.ok) throw new Error(`status ${answer.status}`);
                const news = await answer.json();
                tag = answer.headers.get("ETag") || "";
                onNews(news);
            }
            if (failures) onTrouble("");
            failures = 0;
        } catch {
            failures += 1;
            if (failures > 1) onTrouble("The server can't be reached. What you see may be out of date.");
        } finally {
            asking = false;
        }
        if (again) {
            again = false;
            ask();
        } else {
            plan();
        }
    }

    document.addEventListener("visibilitychange", () => document.hidden || ask());
    plan();
    return ask;
}

// Puts the new parts of the page where their old ones are. Lists are changed item by item.
export function show(parts) {
    for (const [name, html] of Object.entries(parts)) {
        const place = document.querySelector(`[data-part="${name}"]`);
        if (!place) continue;
        if (place.matches("ol, ul")) patch(place, html);
        else if (place.dataset.html !== html) {
            place.dataset.html = html;
            keepingFocus(place, () => { place.innerHTML = html; });
        }
    }
}

// Only what is new or different is touched, so that focus, selection and what is read aloud stay with the reader.
function patch(list, html) {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    const known = new Map([...list.children].map((item) => [item.id, item]));
    let place = list.firstElementChild;
    for (const item of [...fresh.content.children]) {
        let here = known.get(item.id);
        known.delete(item.id);
        if (!here) {
            here = item;
        } else if (here.dataset.version !== item.dataset.version) {
            if (place === here) place = item;
            const old = here;
            here = item;
            keepingFocus(old, () => old.replaceWith(item), item);
        }
        if (here === place) place = place.nextElementSibling;
        else list.insertBefore(here, place);
    }
    for (const gone of known.values()) gone.remove();
}

function keepingFocus(old, change, now = old) {
    const focus = old.contains(document.activeElement) ? document.activeElement.dataset.focus : "";
    change();
    if (focus) now.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus();
}

// The number in the menu.
export function count(words) {
    for (const badge of document.querySelectorAll("[data-menu-badge]")) {
        badge.textContent = words;
        badge.hidden = !words;
    }
}

// Sends a form's fields to the server and gives its answer. Throws where there is none.
export async function post(address, fields) {
    const headers = { Accept: "application/json", "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value };
    const answer = await fetch(address, { method: "POST", body: fields, headers, signal: AbortSignal.timeout(30000) });
    if (!answer.ok || answer.redirected) throw new Error(`status ${answer.status}`);
    return answer.json();
}
