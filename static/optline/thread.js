import { Compose } from "./compose.js";
import { count, post, show, watch } from "./live.js";

const page = document.querySelector("[data-conversation]");
const thread = document.querySelector(".thread");
const jump = document.querySelector(".thread-jump");
const said = document.querySelector(".compose-said");
const form = document.querySelector("form.compose");
const compose = form && new Compose(form);
const draft = `draft of conversation ${page.dataset.conversation}`;

// ---- the end of the thread

const atEnd = () => thread.scrollHeight - thread.scrollTop - thread.clientHeight < 40;
const toEnd = () => { thread.scrollTop = thread.scrollHeight; };

jump.querySelector("button").addEventListener("click", () => { toEnd(); thread.focus(); });
thread.addEventListener("scroll", () => { if (atEnd()) jump.hidden = true; });

// ---- what is new

// What was said when the page was loaded has been overtaken by then.
function clearOldMessages() {
    for (const text of document.querySelectorAll("[data-said-on-loading]")) text.remove();
}

function tell(words, level = "") {
    clearOldMessages();
    said.dataset.level = level;
    said.textContent = words;
}

function onNews(news) {
    clearOldMessages();
    const wasAtEnd = atEnd();
    const last = thread.querySelector(".thread-entries").lastElementChild?.id;
    show(news.parts);
    count(news.unread);
    if (wasAtEnd) toEnd();
    else if (thread.querySelector(".thread-entries").lastElementChild?.id !== last) jump.hidden = false;
    page.dataset.seen = news.seen;
    if (compose && news.refused !== compose.body.readOnly) tell(""); // what was said before is no longer so
    compose?.standing(news);
    seen();
}

let trouble = false;
function onTrouble(words) {
    if (words || trouble) tell(words, words ? "warning" : "");
    trouble = Boolean(words);
}

// Somebody of the line looks at it: then it counts as read, as it stood when it was drawn.
async function seen() {
    if (!page.dataset.seen || document.hidden) return;
    const fields = new FormData();
    fields.set("seen", page.dataset.seen);
    fields.set("by_itself", "1");
    page.dataset.seen = "";
    try {
        await post(page.dataset.read, fields);
        ask();
    } catch {
        // It stays unread and the next news bring it here again.
    }
}

const ask = page.dataset.news ? watch(page.dataset.news, page.dataset.tag, onNews, onTrouble) : () => {};
document.addEventListener("visibilitychange", seen);
if (page.dataset.news) {
    window.scrollTo(0, 0); // a browser without a script is brought to the end of the thread by the address
    toEnd();
    seen();
}

// ---- verbs on texts: done where the reader is, so that nothing that is being written is lost

document.getElementById("verbs").addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.submitter;
    const fields = new FormData(event.target, button);
    button.disabled = true;
    try {
        const answer = await post(button.formAction, fields);
        tell(answer.said, answer.level);
    } catch {
        tell("That did not work. Reload the page and try again.", "error");
    }
    button.disabled = false;
    ask();
});

// ---- sending and inserting

function problems(errors = {}) {
    for (const old of form.querySelectorAll(".compose-problem")) old.remove();
    for (const [name, texts] of Object.entries(errors)) {
        const field = form.elements[name];
        if (!field) continue;
        const line = document.createElement("p");
        line.className = "compose-problem thread-danger";
        line.id = `problem-${name}`;
        line.textContent = texts.join(" ");
        field.after(line);
        field.setAttribute("aria-invalid", "true");
    }
    const first = Object.keys(errors).find((name) => form.elements[name]);
    if (first) form.elements[first].focus();
}

function keep() {
    try {
        if (compose.body.value) sessionStorage.setItem(draft, compose.body.value);
        else sessionStorage.removeItem(draft);
    } catch {
        // A browser that stores nothing keeps no draft.
    }
}

async function send() {
    const fields = new FormData(form);
    compose.send.disabled = true;
    try {
        const answer = await post(form.action, fields);
        problems(answer.errors);
        tell(answer.said || "", answer.level);
        if (answer.key) form.elements.key.value = answer.key;
        if (answer.done) {
            form.elements.body.value = "";
            form.elements.saved_text.value = "";
            form.elements.basis.value = "";
            keep();
            compose.preview();
            toEnd();
        }
    } catch {
        // The key stays the same: if it was taken after all, sending it again sends nothing twice.
        tell("The server did not answer. Your words are kept here; send them again.", "error");
    }
    compose.send.disabled = false;
    if (!form.contains(document.activeElement) || document.activeElement === compose.send) compose.body.focus();
    ask();
}

async function insert() {
    const fields = new FormData(form);
    if (!fields.get("saved")) return;
    try {
        const answer = await post(form.dataset.insert, fields);
        if (!answer.done) {
            tell(answer.said, answer.level);
            return;
        }
        compose.body.focus();
        compose.body.setRangeText(answer.words, compose.body.selectionStart, compose.body.selectionEnd, "end");
        form.elements.saved_text.value = answer.version;
        form.elements.saved.value = "";
        keep();
        compose.preview();
    } catch {
        tell("The saved text could not be fetched. Try again.", "error");
    }
}

if (compose) {
    form.addEventListener("submit", (event) => {
        event.preventDefault();
        if (event.submitter?.matches("[data-insert-button]")) insert();
        else send();
    });
    form.addEventListener("input", () => {
        keep();
        if (!trouble) tell("");
    });
    try {
        if (!compose.body.value) compose.body.value = sessionStorage.getItem(draft) || "";
    } catch {
        // as above
    }
    if (compose.body.value) compose.preview();
}
