// The snapshot's filters and totals, and the progress of an export.

const form = document.querySelector("[data-snapshot]");
const boxes = (name) => [...form.querySelectorAll(`input[type=checkbox][name="${name}"]`)];

for (const button of form?.querySelectorAll("[data-tick], [data-untick]") ?? []) {
    button.addEventListener("click", () => {
        for (const box of boxes(button.dataset.tick ?? button.dataset.untick)) box.checked = "tick" in button.dataset;
    });
}

// All lines have one short name, and lines that come later are among them.
form?.addEventListener("formdata", ({ formData }) => {
    const lines = boxes("lines");
    if (lines.length > 1 && lines.every((box) => box.checked)) formData.set("lines", "all");
    for (const [name, value] of [...formData]) if (!value) formData.delete(name);
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
