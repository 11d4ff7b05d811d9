"use strict";

/* The phones: polls once a second what is on them and texts as their owners. Whatever came from anywhere is put on the
   page as text only. The typing fields belong to the person at the keyboard: polling never touches them. */

(() => {
  const POLL_MS = 1000;
  const OPEN_AT_FIRST = 3;
  const STORE = "optline-simulator-phones";
  const OTHER = "other";

  const urls = document.body.dataset;
  const byId = (id) => document.getElementById(id);
  const table = byId("table");
  const phones = new Map(); // number -> Phone
  let lines = []; // as the simulator knows them
  let extraLines = []; // given in the address or typed
  let chosen = false; // whether somebody said which phones to show; until then those that moved last are shown

  // ---- numbers ----------------------------------------------------------------------------------------------------

  const digits = (text) => text.replace(/\D/g, "");

  function asPhone(text) {
    const given = digits(text);
    const number = text.trim().startsWith("+") ? `+${given}` : given.length === 10 ? `+1${given}` : `+${given}`;
    return /^\+[1-9]\d{6,14}$/.test(number) ? number : "";
  }

  function asLine(text) {
    const given = digits(text);
    return !text.trim().startsWith("+") && /^\d{3,8}$/.test(given) ? given : asPhone(text);
  }

  function readable(number) {
    const american = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(number);
    return american ? `+1 ${american[1]} ${american[2]} ${american[3]}` : number;
  }

  const nameOf = (number) => lines.find((known) => known.line === number)?.name;

  function lineName(number) {
    const name = nameOf(number);
    return name ? `${name} · ${readable(number)}` : readable(number);
  }

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // ---- one phone --------------------------------------------------------------------------------------------------

  let count = 0;

  class Phone {
    constructor(number, line) {
      this.number = number;
      this.line = line || "";
      this.pinned = Boolean(line); // somebody chose the line; else it follows the first text that arrives
      this.updated = false;
      this.asking = false; // for a line that is not in the list
      this.threads = new Map(); // line -> thread as last polled
      this.seen = new Map(); // line -> id of the last message that was on the screen
      this.bubbles = new Map(); // message id -> its element, of the line shown
      this.options = null;
      this.atEnd = true; // of the thread: then it stays there when something arrives or the screen shrinks
      this.build();
    }

    build() {
      this.root = byId("phone").content.firstElementChild.cloneNode(true);
      const find = (selector) => this.root.querySelector(selector);
      this.select = find("select");
      this.otherForm = find(".other-line");
      this.otherInput = find(".other-line input");
      this.elsewhere = find(".elsewhere");
      this.blocked = find(".blocked");
      this.thread = find(".thread");
      this.list = find(".thread ol");
      this.nothing = find(".nothing");
      this.text = find("textarea");
      this.problem = find(".answer .problem");
      this.callButton = find(".call");
      this.callPanel = find(".call-panel");
      this.heard = find(".heard");
      this.onCall = null; // { sid, then } while a call goes on

      const id = `phone-${++count}`;
      const title = find("h2");
      title.id = id;
      title.textContent = readable(this.number);
      this.root.setAttribute("aria-labelledby", id);
      this.select.id = `${id}-line`;
      find(".talks label").htmlFor = this.select.id;
      this.thread.setAttribute("aria-label", `Texts on ${readable(this.number)}`);
      this.text.setAttribute("aria-label", `Answer from ${readable(this.number)}`);
      this.otherInput.setAttribute("aria-label", "Number of the line to text");
      find(".close").setAttribute("aria-label", `Put ${readable(this.number)} away`);

      find(".close").addEventListener("click", () => close(this.number));
      this.callPanel.setAttribute("aria-label", `Call from ${readable(this.number)}`);
      this.callButton.addEventListener("click", () => this.call({}));
      find(".hang-up").addEventListener("click", () => this.hangUp());
      find(".silent").addEventListener("click", () => this.press(""));
      for (const key of find(".keys").children) key.addEventListener("click", () => this.press(key.dataset.key));
      this.select.addEventListener("change", () => {
        if (this.select.value === OTHER) {
          this.asking = true;
          this.renderLines();
          this.otherInput.focus();
        } else this.show(this.select.value);
      });
      this.otherForm.addEventListener("submit", (event) => {
        event.preventDefault();
        const line = asLine(this.otherInput.value);
        this.say(line ? "" : "Give the line's number with country code, like +1 415 555 0100, or a short code.");
        if (!line) return;
        if (!extraLines.includes(line)) extraLines.push(line);
        this.show(line);
        this.text.focus();
      });
      find(".compose").addEventListener("submit", (event) => {
        event.preventDefault();
        if (this.text.value.trim()) this.send(this.text.value, true);
      });
      this.text.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        find(".compose").requestSubmit();
      });
      this.text.addEventListener("input", () => {
        this.pinned = true; // what is being typed is meant for this line
        this.grow();
      });
      this.thread.addEventListener("scroll", () => {
        this.atEnd = this.thread.scrollHeight - this.thread.scrollTop - this.thread.clientHeight < 60;
      });
      new ResizeObserver(() => this.follow()).observe(this.thread);
      for (const button of find(".words").children) {
        button.addEventListener("click", () => this.send(button.textContent, false));
      }
    }

    grow() {
      this.text.style.height = "auto";
      this.text.style.height = `${this.text.scrollHeight + 2}px`;
    }

    follow() {
      if (this.atEnd) this.thread.scrollTop = this.thread.scrollHeight;
    }

    say(problem) {
      this.problem.textContent = problem;
    }

    show(line) {
      this.line = line;
      this.pinned = true;
      this.asking = false;
      this.otherInput.value = "";
      this.say("");
      this.bubbles.clear();
      this.list.replaceChildren();
      this.atEnd = true;
      this.render();
      remember();
    }

    update(threads) {
      this.threads = new Map(threads.map((thread) => [thread.line, thread]));
      if (!this.pinned && !this.threads.has(this.line)) this.line = this.latestLine();
      if (!this.updated) for (const [line, thread] of this.threads) this.seen.set(line, lastId(thread));
      this.updated = true;
      this.render();
    }

    latestLine() {
      const latest = [...this.threads.values()].sort((a, b) => lastId(b) - lastId(a))[0];
      if (latest) return latest.line;
      if (extraLines.length) return extraLines[0];
      return lines.length ? lines[0].line : "";
    }

    render() {
      this.renderLines();
      const thread = this.threads.get(this.line);
      const messages = thread ? thread.messages : [];
      for (const message of messages) {
        if (this.bubbles.has(message.id)) continue;
        const bubble = this.bubble(message);
        this.bubbles.set(message.id, bubble);
        // A text that was under way may arrive after a later one: it goes where it belongs.
        const later = [...this.bubbles.keys()].filter((id) => id > message.id).sort((a, b) => a - b)[0];
        this.list.insertBefore(bubble, later ? this.bubbles.get(later) : null);
      }
      this.nothing.hidden = messages.length > 0;
      this.nothing.textContent = this.line
        ? `Nothing has arrived from ${nameOf(this.line) || readable(this.line)} yet.`
        : "Choose the line that this phone texts with.";
      this.blocked.hidden = !(thread && thread.blocked);
      if (thread) this.seen.set(this.line, lastId(thread));
      this.follow();
      this.renderElsewhere();
    }

    renderLines() {
      const known = lines.map((line) => line.line);
      const all = [...new Set([...known, ...extraLines, ...this.threads.keys(), this.line])].filter(Boolean);
      const options = JSON.stringify(all.map(lineName));
      if (options !== this.options) {
        this.options = options;
        this.select.replaceChildren();
        if (!all.length) this.select.append(new Option("Choose a line", ""));
        for (const line of all) this.select.append(new Option(lineName(line), line));
        this.select.append(new Option("Another number …", OTHER));
      }
      this.otherForm.hidden = !this.asking && (all.length > 0 || !this.updated);
      this.select.value = this.asking ? OTHER : this.line;
    }

    renderElsewhere() {
      const waiting = [];
      for (const [line, thread] of this.threads) {
        const news = thread.messages.filter((message) => message.id > (this.seen.get(line) || 0)).length;
        if (line !== this.line && news) waiting.push([line, `${news} new from ${nameOf(line) || readable(line)}`]);
      }
      const labels = JSON.stringify(waiting);
      if (labels === this.waiting) return;
      this.waiting = labels;
      this.elsewhere.hidden = waiting.length === 0;
      this.elsewhere.replaceChildren(
        ...waiting.map(([line, label]) => {
          const item = element("li");
          const button = element("button", "", label);
          button.type = "button";
          button.addEventListener("click", () => {
            this.show(line);
            this.select.focus();
          });
          item.append(button);
          return item;
        }),
      );
    }

    bubble(message) {
      const bubble = element("li", `bubble ${message.direction}`);
      const from = { inbound: "You: ", network: "The network: " }[message.direction] || `${nameOf(this.line) || readable(this.line)}: `;
      const body = element("p", "body");
      const pictures = message.media ? `[${message.media} ${message.media === 1 ? "picture" : "pictures"}] ` : "";
      body.append(element("span", "sr", from), pictures + message.body);
      const at = new Date(message.at);
      const today = at.toDateString() === new Date().toDateString();
      const time = element("time", "", at.toLocaleString([], today
        ? { hour: "2-digit", minute: "2-digit" }
        : { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }));
      time.dateTime = message.at;
      time.title = at.toLocaleString();
      const meta = element("p", "meta");
      if (message.direction === "network") meta.append("From the network · ");
      meta.append(time);
      bubble.append(body, meta);
      return bubble;
    }

    press(digits) {
      if (this.onCall) this.call({ sid: this.onCall.sid, then: this.onCall.then, digits });
    }

    hangUp() {
      this.onCall = null;
      this.callPanel.hidden = true;
      this.callButton.disabled = false;
      this.callButton.focus();
    }

    async call(step) {
      if (!this.line) {
        this.say("Choose the line first.");
        return;
      }
      this.say("");
      this.pinned = true;
      this.callButton.disabled = true;
      this.callPanel.hidden = false;
      this.callPanel.classList.remove("over");
      if (!step.sid) this.heard.textContent = "It rings …";
      try {
        const answer = await fetch(urls.callUrl, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ from: this.number, to: this.line, ...step }),
        });
        const told = await answer.json();
        if (answer.ok) {
          this.onCall = told.then ? told : null;
          this.heard.textContent = told.says.join(" ");
        } else {
          this.onCall = null;
          this.heard.textContent = `The call broke off. ${Object.values(told).flat().join(" ")}`;
        }
      } catch {
        this.onCall = null;
        this.heard.textContent = "The call broke off: the simulator does not answer.";
      }
      this.callPanel.classList.toggle("over", !this.onCall);
      poll();
    }

    async send(body, typed) {
      if (!this.line) {
        this.say("Choose the line first.");
        (this.otherForm.hidden ? this.select : this.otherInput).focus();
        return;
      }
      this.say("");
      this.pinned = true;
      try {
        const answer = await fetch(urls.inboundUrl, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ from: this.number, to: this.line, body }),
        });
        if (!answer.ok) {
          const problems = answer.status === 400 ? Object.values(await answer.json()).flat() : [];
          this.say(`Not sent. ${problems.join(" ") || `The simulator answered ${answer.status}.`}`);
          return;
        }
      } catch {
        this.say("Not sent: the simulator does not answer. Try again in a moment.");
        return;
      }
      if (typed && this.text.value === body) {
        this.text.value = "";
        this.grow();
      }
      this.atEnd = true;
      poll();
    }
  }

  const lastId = (thread) => (thread.messages.length ? thread.messages[thread.messages.length - 1].id : 0);

  // ---- the table --------------------------------------------------------------------------------------------------

  function open(number, line) {
    if (!phones.has(number)) {
      const phone = new Phone(number, line);
      phones.set(number, phone);
      table.append(phone.root);
      phone.render();
    }
    byId("empty").hidden = true;
    return phones.get(number);
  }

  function close(number) {
    phones.get(number).root.remove();
    phones.delete(number);
    chosen = true;
    remember();
    byId("empty").hidden = phones.size > 0;
    byId("add-number").focus();
    poll();
  }

  function remember() {
    if (!chosen) return;
    const shown = [...phones.values()].map((phone) => [phone.number, phone.line]);
    try {
      localStorage.setItem(STORE, JSON.stringify({ shown, extraLines }));
    } catch {
      // A browser that keeps nothing only forgets which phones were out.
    }
  }

  function recall() {
    const query = new URLSearchParams(location.search);
    const given = query.getAll("phone").map((text) => asPhone(text.trim())).filter(Boolean);
    extraLines = query.getAll("line").map((text) => asLine(text.startsWith(" ") ? `+${text.trim()}` : text)).filter(Boolean);
    if (given.length) {
      chosen = true;
      for (const number of given) open(number, extraLines[0]);
      return;
    }
    try {
      const kept = JSON.parse(localStorage.getItem(STORE));
      if (!kept) return;
      extraLines = [...new Set([...extraLines, ...kept.extraLines])];
      chosen = kept.shown.length > 0;
      for (const [number, line] of kept.shown) open(number, line);
    } catch {
      // Nothing usable was kept: begin as on the first visit.
    }
  }

  function renderOthers(numbers) {
    const others = numbers.filter((number) => !phones.has(number));
    const label = JSON.stringify(others);
    if (label === renderOthers.last) return;
    renderOthers.last = label;
    byId("known-numbers").replaceChildren(...others.map((number) => new Option("", number)));
    byId("others").hidden = others.length === 0;
    byId("others").querySelector("ul").replaceChildren(
      ...others.slice(0, 12).map((number) => {
        const item = element("li");
        const button = element("button", "", readable(number));
        button.type = "button";
        button.setAttribute("aria-label", `Add ${readable(number)}`);
        button.addEventListener("click", () => add(number));
        item.append(button);
        return item;
      }),
    );
  }

  function add(number) {
    chosen = true;
    const phone = open(number, "");
    remember();
    phone.text.focus();
    poll();
  }

  byId("add").addEventListener("submit", (event) => {
    event.preventDefault();
    const input = byId("add-number");
    const number = asPhone(input.value);
    byId("add-problem").textContent = number ? "" : "Give the number with country code, like +1 415 555 0123.";
    if (!number) return;
    input.value = "";
    add(number);
  });
  byId("try").addEventListener("click", () => add("+14155550123"));

  // ---- polling ----------------------------------------------------------------------------------------------------

  let timer = 0;
  let polling = false;
  let again = false;

  async function poll() {
    if (polling) {
      again = true;
      return;
    }
    polling = true;
    clearTimeout(timer);
    try {
      const query = new URLSearchParams([...phones.keys()].map((number) => ["number", number]));
      const answer = await fetch(`${urls.phonesUrl}?${query.toString() || "number="}`, { cache: "no-store" });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      receive(await answer.json());
      byId("offline").hidden = true;
    } catch (error) {
      console.warn("The phones could not be read:", error);
      byId("offline").hidden = false;
    }
    byId("empty").hidden = phones.size > 0;
    polling = false;
    if (again) {
      again = false;
      poll();
    } else if (!document.hidden) timer = setTimeout(poll, POLL_MS);
  }

  function receive(answer) {
    lines = answer.lines;
    if (!chosen && phones.size < OPEN_AT_FIRST) {
      for (const number of answer.numbers) {
        if (phones.size >= OPEN_AT_FIRST || phones.has(number)) continue;
        open(number, "");
        again = true; // its texts come with the next poll
      }
    }
    const threads = new Map(answer.phones.map((phone) => [phone.number, phone.threads]));
    for (const phone of phones.values()) if (!again || threads.has(phone.number)) phone.update(threads.get(phone.number) || []);
    renderOthers(answer.numbers);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) poll();
  });

  recall();
  poll();
})();
