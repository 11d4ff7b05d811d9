// The editor of wordings: variables to insert, plain characters, and the preview that the server draws while one types.
(() => {
    "use strict";

    const PAUSE = 250; // milliseconds without a keystroke

    function setUp(area) {
        const form = area.form;
        const editor = area.closest(".wording");
        const shown = editor.querySelector("[data-preview]");
        const heard = editor.querySelector("[data-heard]");
        const kind = form.elements.namedItem("kind");
        let waiting = 0;
        let asked = null;

        async function preview() {
            asked?.abort();
            asked = new AbortController();
            try {
                const answer = await fetch(area.dataset.wording, {
                    method: "POST",
                    body: new FormData(form),
                    signal: asked.signal,
                });
                if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
                shown.innerHTML = await answer.text();
                heard.textContent = shown.firstElementChild.dataset.summary;
            } catch (error) {
                if (error.name !== "AbortError") heard.textContent = "The preview can't be shown now. You can save all the same.";
            }
        }

        function soon() {
            clearTimeout(waiting);
            waiting = setTimeout(preview, PAUSE);
        }

        // As if it had been typed, so that it can be undone.
        function type(words) {
            area.focus();
            if (!document.execCommand("insertText", false, words)) {
                area.setRangeText(words, area.selectionStart, area.selectionEnd, "end");
                area.dispatchEvent(new Event("input", {bubbles: true}));
            }
        }

        function replace(pairs) {
            const words = [...area.value].map((character) => pairs.get(character) ?? character).join("");
            area.select();
            type(words);
        }

        function fitKind() {
            if (!kind || !kind.value) return;
            for (const each of editor.querySelectorAll("[data-kinds]")) {
                each.hidden = !each.dataset.kinds.split(" ").includes(kind.value);
            }
        }

        editor.addEventListener("click", (event) => {
            const button = event.target.closest("button");
            if (!button) return;
            if (button.dataset.insert) type(`{${button.dataset.insert}}`);
            if (button.dataset.from) replace(new Map([[button.dataset.from, button.dataset.to]]));
            if ("replaceAll" in button.dataset) {
                const each = [...shown.querySelectorAll("[data-from]")];
                replace(new Map(each.map((one) => [one.dataset.from, one.dataset.to])));
            }
        });
        area.addEventListener("input", soon);
        for (const name of ["kind", "line", "language"]) {
            form.elements.namedItem(name)?.addEventListener("change", () => { fitKind(); soon(); });
        }
        fitKind();
    }

    document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("textarea[data-wording]").forEach(setUp));
})();
