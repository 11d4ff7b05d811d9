import { Compose } from "./compose.js";

const compose = new Compose(document.querySelector("form.compose"));
compose.preview();
