/** Starts the page. */
import { effect } from "@preact/signals";
import { render } from "preact";
import { tick } from "./clock";
import { faviconUrl } from "./favicon";
import { documentTitle } from "./headline";
import { follow } from "./live";
import { Page } from "./parts/Page";
import "./style/colours.css";
import "./style/page.css";
import "./style/header.css";
import "./style/alerts.css";
import "./style/services.css";
import "./style/probes.css";
import "./style/source.css";
import "./style/details.css";
import "./style/lists.css";
import "./style/operator.css";
import "./style/phone.css";
import { connection, isLost, overview, receive, summary } from "./view";

follow({
  overview: receive,
  connection: (state) => {
    connection.value = state;
  },
});
setInterval(tick, 1_000);

effect(() => {
  document.title = documentTitle(overview.value, isLost.value);
});
effect(() => {
  const state = isLost.value ? "unknown" : (summary.value?.state ?? "unknown");
  document.querySelector("link[rel=icon]")?.setAttribute("href", faviconUrl(state));
});

const page = document.getElementById("page");
if (page) render(<Page />, page);
