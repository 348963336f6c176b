// The pages work without this. It keeps figures fresh and copies commands.
"use strict";

const main = document.getElementById("main");
const lost = document.getElementById("lost");

// Put what has changed in place of what was there; nothing else is touched, so nothing flickers.
function putInPlace(fresh) {
  const parts = [...document.querySelectorAll("[data-live]")];
  const others = [...fresh.querySelectorAll("[data-live]")];
  if (parts.map((part) => part.id).join() !== others.map((part) => part.id).join()) {
    main.replaceChildren(...fresh.getElementById("main").childNodes);
    return;
  }
  parts.forEach((part, place) => {
    if (part.innerHTML !== others[place].innerHTML && !isBeingRead(part)) {
      replace(part, others[place]);
    }
  });
}

function isBeingRead(part) {
  const fields = [...part.querySelectorAll("input, textarea")];
  const isFilledIn = fields.some((field) => field.value !== field.defaultValue);
  if (isFilledIn || part.querySelector("details[open]")) return true;
  const chosen = document.getSelection();
  return !chosen.isCollapsed && part.contains(chosen.anchorNode);
}

// Whoever goes by the keyboard stays where they are.
function replace(part, other) {
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const places = [...part.querySelectorAll("a, button, [tabindex]")];
  const place = places.indexOf(focused);
  const scrolled = [...part.querySelectorAll(".wide")].map((wide) => wide.scrollLeft);
  part.replaceChildren(...other.childNodes);
  [...part.querySelectorAll(".wide")].forEach((wide, n) => (wide.scrollLeft = scrolled[n] || 0));
  if (focused) {
    const next = [...part.querySelectorAll("a, button, [tabindex]")];
    const same = focused.href && next.find((each) => each.href === focused.href);
    (same || next[place])?.focus({ preventScroll: true });
  }
}

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) throw new Error(answer.status);
    putInPlace(new DOMParser().parseFromString(await answer.text(), "text/html"));
    lost.hidden = true;
  } catch {
    lost.hidden = false;
  }
}

const seconds = Number(main.dataset.refreshSeconds);
if (seconds) {
  let running = false;
  setInterval(async () => {
    if (running) return;
    running = true;
    await refresh();
    running = false;
  }, seconds * 1000);
  document.addEventListener("visibilitychange", refresh);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const before = button.dataset.before || button.textContent;
  button.dataset.before = before;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    // Without TLS a browser lends no clipboard: mark the text, and the keyboard copies it.
    document.getSelection().selectAllChildren(button.parentElement.querySelector("code"));
    document.execCommand("copy");
  }
  button.textContent = button.dataset.copied;
  setTimeout(() => (button.textContent = before), 2000);
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});
