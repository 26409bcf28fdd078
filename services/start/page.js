// Buttons that copy commands without their prompt, and the lesson's state, which is read again every few seconds.
"use strict";

const PROMPT = /^(workspace)?\$ /;
const REFRESH_MILLISECONDS = 5000;

// Returns what to type of a block of text: the lines after a prompt if there are any, else all of it
function commandsOf(text) {
  const lines = text.replace(/\n+$/, "").split("\n");
  const typed = lines.filter((line) => PROMPT.test(line)).map((line) => line.replace(PROMPT, ""));
  return (typed.length ? typed : lines).join("\n");
}

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Over plain HTTP from another machine there is no clipboard API
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

function addCopyButtons(root) {
  for (const block of root.querySelectorAll("pre:not(.copyable)")) {
    const code = block.querySelector("code") || block;
    const text = commandsOf(code.dataset.commands || code.textContent);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy the command");
    button.addEventListener("click", async () => {
      await copy(text);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    block.classList.add("copyable");
    block.append(button);
  }
}

async function refresh(live) {
  try {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    // Untouched unless something has changed, so that a selection or the focus stays
    if (fresh && fresh.innerHTML !== live.dataset.html) {
      live.dataset.html = fresh.innerHTML;
      const opened = new Set([...live.querySelectorAll("details[open]")].map((each) => each.id));
      live.innerHTML = fresh.innerHTML;
      for (const each of live.querySelectorAll("details")) if (opened.has(each.id)) each.open = true;
      addCopyButtons(live);
    }
  } catch (error) {
    // The page does not answer just now; the next try comes soon
  }
}

addCopyButtons(document);
const live = document.getElementById("live");
if (live) setInterval(() => refresh(live), REFRESH_MILLISECONDS);
