// The box to write in: how long the text would be, what it is based on, and Ctrl+Enter.

import { post, show } from "./live.js";

const PAUSE = 300;

export class Compose {
    constructor(form) {
        this.form = form;
        this.body = form.elements.body;
        this.send = form.querySelector("[data-send]");
        this.basis = form.querySelector("[data-basis]");
        this.timer = 0;
        this.asked = 0;
        for (const hint of form.querySelectorAll("[data-with-script]")) hint.hidden = false;
        form.addEventListener("input", (event) => event.target.name === "basis" ? this.#otherWords() : this.#later());
        form.addEventListener("change", () => this.#later());
        this.body.addEventListener("keydown", (event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !this.send.disabled) {
                event.preventDefault();
                form.requestSubmit(this.send);
            }
        });
        this.body.readOnly = this.send.disabled;
        this.#otherWords();
        if (this.body.value) this.preview();
    }

    // Words of their own are asked for only where none of the others fits.
    #otherWords() {
        const words = this.form.querySelector("[data-basis-words]");
        words.hidden = this.form.elements.basis.value !== "other";
    }

    #later() {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.preview(), PAUSE);
    }

    async preview() {
        clearTimeout(this.timer);
        const mine = ++this.asked;
        try {
            const answer = await post(this.form.dataset.preview, new FormData(this.form));
            if (mine !== this.asked) return; // an older answer that came late
            show(answer.parts);
            if ("refused" in answer) this.standing(answer);
        } catch {
            // The next key asks again, and the server decides in any case.
        }
    }

    // What the gate would say now. The words stay in the box, whatever it says.
    standing({ verdict, refused, asks_first }) {
        this.form.querySelector('[data-part="outlook"]').className = `verdict verdict-${verdict}`;
        this.send.disabled = refused;
        this.body.readOnly = refused;
        this.basis.hidden = !asks_first;
    }
}
