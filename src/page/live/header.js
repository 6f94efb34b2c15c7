// What stands in the page's header: how live it is, who is logged in, the way out; and what is taken out of it.

/** How long a socket may be gone before anybody is told, in ms: most come back at once. */
const UNTOLD = 1000;

class Header {
  constructor(header) {
    this.header = header;
    this.login = null;
    this.me = null;
    this.box = element("div", { className: "mailwarden" }, {
      cssFloat: "right", display: "flex", gap: "1em", alignItems: "center", padding: "10px 12px", color: "#555",
    });
    this.status = element("span", {}, { fontWeight: "bold" });
    this.status.setAttribute("role", "status");
    this.who = element("span");
    this.box.append(this.status, this.who);
    header.append(this.box);
    // Before the page's own handler, which sits further in.
    addEventListener("keydown", (event) => this.key(event), true);
  }

  // --- who is logged in

  /** Shows who is logged in, and hides what he may not do: he would only be told so. */
  knows(me) {
    const shown = JSON.stringify(me);
    if (shown === this.shown) return;
    this.shown = shown;
    this.me = me;
    this.login = me.login;
    this.who.replaceChildren();
    if (me.user !== null) this.who.append(`logged in as ${me.user} `);
    if (me.logout) {
      const form = element("form", { method: "post", action: me.logout }, { display: "inline", margin: "0" });
      form.append("(", linkLike("button", { textContent: "log out" }), ")");
      this.who.append(form);
    } else if (me.user === null && me.login) {
      this.who.append(this.loginLink());
    }
    for (const name of ["clear", "quit"]) {
      for (const item of this.header.querySelectorAll(`nav.app li.${name}`)) {
        if (this.may(name)) item.style.removeProperty("display");
        else item.style.setProperty("display", "none", "important");
      }
    }
  }

  may(permission) {
    return this.me === null || this.me.permissions.includes(permission);
  }

  /** Keeps the delete keys from the page, for whoever may not. */
  key(event) {
    if ((event.key !== "Delete" && event.key !== "Backspace") || this.may("delete")) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  /** To the page to log in; where there is none, the browser asks when this page is loaded again. */
  loginLink() {
    const here = location.pathname + location.search;
    return linkLike("a", { textContent: "log in", href: this.login ? `${this.login}?to=${encodeURIComponent(here)}` : here });
  }

  // --- how live the page is

  /** `live`, `down`, `gone` or `barred`, as the link says it. */
  state(name) {
    clearTimeout(this.telling);
    if (name === "down") this.telling = setTimeout(() => this.tell("down"), UNTOLD);
    else this.tell(name);
  }

  /** When the list could not be had last, or null since it could. */
  failed(when) {
    this.failure = when;
    this.tell(this.told);
  }

  tell(name) {
    this.told = name;
    const time = this.failure?.toLocaleTimeString();
    const text = {
      down: "reconnecting\u2026",
      gone: "You are logged out: nothing new is shown.",
      barred: "You may not view this any more: nothing new is shown.",
    }[name] ?? (this.failure ? `The last update failed at ${time}; trying again\u2026` : "");
    if (text !== this.text) this.status.textContent = this.text = text; // it is read out each time
    this.box.dataset.state = name;
    if (name !== "gone" && name !== "barred") return;
    this.who.replaceChildren(...(name === "gone" ? [this.loginLink()] : []));
    this.shown = null; // whoever comes back is named again
  }
}

function element(name, properties = {}, style = {}) {
  const made = Object.assign(document.createElement(name), properties);
  Object.assign(made.style, style); // by script: the page's policy allows no style attributes
  return made;
}

function linkLike(name, properties) {
  return element(name, properties, {
    display: "inline", padding: "0", border: "0", background: "none", boxShadow: "none", font: "inherit", color: "inherit",
    textDecoration: "underline", cursor: "pointer",
  });
}
