import { count, show, watch } from "./live.js";

const rows = document.querySelector("[data-news]");
const none = document.querySelector("[data-when-empty]");

watch(
    rows.dataset.news,
    rows.dataset.tag,
    (news) => {
        show(news.parts);
        count(news.unread);
        none.hidden = rows.childElementCount > 0;
    },
    () => {},
);
