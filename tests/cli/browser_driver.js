"use strict";
// Uses the page in the frame as a person would, and posts what it saw to /seen.

const seen = [];
const frame = document.querySelector("iframe");
const texts = (selector) => [...frame.contentDocument.querySelectorAll(selector)].map((part) => part.textContent);

const report = (last) => fetch("/seen", {method: "POST", body: [...seen, last].join("\n")});

// Resolves when `condition` holds, which is looked at after each change of the page.
async function until(what, condition) {
  await report(`waiting for ${what}`);
  await new Promise((done) => {
    const observer = new MutationObserver(check);
    function check() {
      if (!condition()) return;
      observer.disconnect();
      done();
    }
    observer.observe(frame.contentDocument.body, {subtree: true, childList: true, attributes: true, characterData: true});
    check();
  });
}

async function use() {
  const page = frame.contentWindow, doc = frame.contentDocument;
  const find = (selector) => doc.querySelector(selector);
  page.addEventListener("error", (event) => seen.push(`error: ${event.message}`));
  await until("first words", () => find("#names").value);

  const data = new page.DataTransfer();
  data.items.add(new page.File([await (await fetch("/picture")).blob()], "picture.png", {type: "image/png"}));
  doc.dispatchEvent(new page.DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
  await until("a legend", () => texts("#legend li").length > 0);
  seen.push(`dropped: ${find("#canvas").width} x ${find("#canvas").height}`);

  find("#names").value = "sky, water; grass; horse";
  find("#names").dispatchEvent(new page.Event("input", {bubbles: true}));
  await until("the new words", () => texts("#legend span").includes("horse"));
  seen.push(`typed: ${texts("#legend span").sort().join(" | ")}`);

  const box = find("#canvas").getBoundingClientRect();
  find("#canvas").dispatchEvent(new page.MouseEvent("click", {clientX: box.left + box.width / 2, clientY: box.top + box.height / 2, bubbles: true}));
  await until("scores of a place", () => !find("#point").hidden);
  seen.push(`clicked: ${texts("#point div").length} scores`);

  find("#names").value = "dog, ".repeat(300) + Array.from({length: 300}, (_, i) => `w${i}`).join(",");
  find("#names").dispatchEvent(new page.Event("input", {bubbles: true}));
  await until("a message", () => !find("#message").hidden);
  seen.push(`too many: ${find("#message").textContent}`);

  find("#names").value = "sky, water; grass; horse";
  find("#names").dispatchEvent(new page.Event("input", {bubbles: true}));
  await until("no message", () => find("#message").hidden);
  find("#canvas").dispatchEvent(new page.MouseEvent("click", {clientX: box.left + box.width / 3, clientY: box.top + box.height / 2, bubbles: true}));
  await until("scores again", () => !find("#point").hidden);
}

frame.addEventListener("load", () => use().then(() => report("done"), (error) => report(`failed: ${error.message}`)), {once: true});
