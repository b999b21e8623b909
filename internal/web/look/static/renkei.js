// What pages do beyond plain HTML. Every page works without this file; words
// come from the page itself.
"use strict";

(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // A page brought back from the browser's memory may belong to a step that is
  // over: the server knows the current one.
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });

  // A secret can be seen while it is typed, and is unseen when it is sent.
  for (const button of all("[data-shows]")) {
    const field = document.getElementById(button.dataset.shows);
    if (!field) continue;
    const show = (seen) => {
      field.type = seen ? "text" : "password";
      button.textContent = seen ? button.dataset.hide : button.dataset.show;
      button.setAttribute("aria-pressed", String(seen));
    };
    button.hidden = false;
    button.addEventListener("click", () => show(field.type === "password"));
    field.form?.addEventListener("submit", () => show(false));
  }

  // Inquiry PINs: full-width digits become what they mean, and typing one
  // chooses its account.
  for (const field of all("input.pin")) {
    field.addEventListener("input", () => {
      const folded = field.value.normalize("NFKC");
      if (folded !== field.value) field.value = folded;
      const box = document.getElementById(field.dataset.chooses);
      if (box && field.value !== "") box.checked = true;
    });
  }

  for (const button of all("[data-ticks]")) {
    button.closest("[hidden]")?.removeAttribute("hidden");
    button.addEventListener("click", () => {
      for (const box of all(`input[name="${button.dataset.ticks}"]`)) box.checked = button.dataset.to === "all";
    });
  }

  for (const button of all("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }

  // One press is enough. The server takes a second one for the same press; this
  // only shows that something is under way.
  for (const form of all("form:not([data-extend])")) {
    form.addEventListener("submit", (event) => {
      if (form.classList.contains("busy")) {
        event.preventDefault();
        return;
      }
      form.classList.add("busy");
      setTimeout(() => form.classList.remove("busy"), 8000);
    });
  }

  for (const form of all("form[data-goes]")) form.submit();

  // The time that is left.
  const time = document.getElementById("time");
  const dialog = document.getElementById("warning");
  if (!time || !dialog) return;
  let ends = Date.now() + 1000 * Number(time.dataset.seconds);
  let warned = false;
  const extension = document.querySelector("form[data-extend]");

  const tick = () => {
    const seconds = Math.round((ends - Date.now()) / 1000);
    if (seconds <= 0) {
      location.reload();
      return;
    }
    const words = seconds < 60 ? time.dataset.lastMinute : time.dataset.minutes.replace("%", String(Math.round(seconds / 60)));
    for (const place of all("[data-time-left]")) if (place.textContent !== words) place.textContent = words;
    const soon = seconds <= Number(time.dataset.warnAt);
    time.classList.toggle("soon", soon);
    if (soon && !warned) {
      warned = true;
      dialog.showModal();
    }
    setTimeout(tick, Math.min(1000, 1000 * seconds));
  };

  const extend = async () => {
    const failed = document.getElementById("warning-error");
    failed.hidden = true;
    try {
      const answer = await fetch(extension.action, {
        method: "POST",
        headers: { Accept: "application/json" },
        body: new URLSearchParams(new FormData(extension)),
        redirect: "error",
      });
      if (!answer.ok) throw new Error(String(answer.status));
      const got = await answer.json();
      ends = Date.now() + 1000 * got.seconds;
      warned = false;
      time.querySelector(".quiet").textContent = got.until;
      const said = document.getElementById("extended");
      said.textContent = said.dataset.words;
      if (dialog.open) dialog.close();
      if (!got.extendable) extension.remove();
    } catch {
      failed.hidden = false;
      if (!dialog.open) dialog.showModal();
    }
  };

  extension?.addEventListener("submit", (event) => {
    event.preventDefault();
    extend();
  });
  for (const button of all("[data-extend-now]")) button.addEventListener("click", extend);
  for (const button of all("[data-close]")) button.addEventListener("click", () => dialog.close());
  // Esc means to stay.
  dialog.addEventListener("cancel", (event) => {
    if (!extension?.isConnected) return;
    event.preventDefault();
    extend();
  });
  tick();
})();
