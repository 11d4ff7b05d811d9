// The snapshot's filters and totals, and the progress of an export.

const form = document.querySelector("[data-snapshot]");
const boxes = (name) => [...form.querySelectorAll(`input[type=checkbox][name="${name}"]`)];

for (const button of form?.querySelectorAll("[data-tick], [data-untick]") ?? []) {
    button.addEventListener("click", () => {
        for (const box of boxes(button.dataset.tick ?? button.dataset.untick)) box.checked = "tick" in button.dataset;
        form.dispatchEvent(new Event("input"));
    });
}

// All lines have one short name, and lines that come later are among them.
form?.addEventListener("formdata", ({ formData }) => {
    const lines = boxes("lines");
    if (lines.length > 1 && lines.every((box) => box.checked)) formData.set("lines", "all");
    for (const [name, value] of [...formData]) if (!value) formData.delete(name);
});

// What was changed and not shown yet would not be in the file.
form?.addEventListener("input", () => {
    for (const button of document.querySelectorAll("[aria-describedby=report-how]")) button.disabled = true;
    const how = document.querySelector("#report-how");
    if (how) how.textContent = "The filters were changed. Press Show first, then export what you see.";
});

// Who was signed out meanwhile gets the way to sign in, not the sign-in page inside this one.
document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, requestConfig } = event.detail;
    if (new URL(xhr.responseURL).pathname === new URL(requestConfig.path, location).pathname) return;
    event.detail.shouldSwap = false;
    location.reload();
});

// Unfold draws the charts that are there once the page is complete; totals may come before or after that.
document.addEventListener("htmx:afterSettle", () => {
    const canvas = document.querySelector("#report-totals canvas");
    if (canvas && document.readyState === "complete" && !Chart.getChart(canvas)) renderCharts();
    ended();
});

function ended() {
    const said = document.querySelector("#report-run [data-said]");
    const region = document.querySelector("#report-said");
    if (!said || region.textContent) return;
    region.textContent = said.textContent;
    start();
}

// A download begins by itself once, for those who waited for it.
function start() {
    const link = document.querySelector("[data-starts]");
    if (!link || sessionStorage.getItem(link.dataset.download)) return;
    sessionStorage.setItem(link.dataset.download, "started");
    link.click();
}

start();
