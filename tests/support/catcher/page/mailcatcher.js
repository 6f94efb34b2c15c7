// The inbox's script. Written for this stand-in; what it does, and what it fails to do, follows the real page: one
// WebSocket that is never opened again, a refresh that never removes a row, and a frame whose inside it rewrites.

(function () {
  "use strict";

  const $ = (selector) => document.querySelector(selector);
  const all = (selector) => Array.from(document.querySelectorAll(selector));
  const beside = (path) => new URL(path, document.baseURI).toString();

  function ask(method, url) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open(method, url);
      request.setRequestHeader("X-Requested-With", "XMLHttpRequest");
      request.onload = () => (request.status < 300 ? resolve(request.responseText) : reject(request.status));
      request.onerror = () => reject(0);
      request.send();
    });
  }

  const getJSON = (path) => ask("GET", beside(path)).then(JSON.parse);

  class MailCatcher {
    constructor() {
      this.icon = $("link[rel=icon]").href;
      this.listen();
      this.refresh();
      this.subscribe();
    }

    listen() {
      $("#messages").addEventListener("click", (event) => {
        const row = event.target.closest("tr[data-message-id]");
        if (row) this.loadMessage(row.dataset.messageId);
      });
      $("input[name=search]").addEventListener("input", (event) => this.searchMessages(event.target.value));
      $("#message .views").addEventListener("click", (event) => {
        const tab = event.target.closest(".format.tab");
        if (!tab) return;
        event.preventDefault();
        this.loadMessageBody(this.selectedMessage(), tab.dataset.messageFormat);
      });
      $("#message iframe").addEventListener("load", () => this.decorateMessageBody());
      $("nav.app .clear a").addEventListener("click", (event) => {
        event.preventDefault();
        if (!confirm("All messages will be gone. Clear the inbox?")) return;
        ask("DELETE", beside("messages")).then(() => this.clearMessages(), () => alert("The inbox could not be cleared."));
      });
      const quit = $("nav.app .quit a");
      if (quit) {
        quit.addEventListener("click", (event) => {
          event.preventDefault();
          if (!confirm("All messages will be gone, and the catcher too. Quit?")) return;
          this.quitting = true;
          ask("DELETE", document.baseURI).then(() => this.hasQuit(), () => {
            this.quitting = false;
            alert("It did not quit.");
          });
        });
      }
      document.addEventListener("keydown", (event) => this.key(event));
      $("#resizer").addEventListener("mousedown", (event) => {
        event.preventDefault();
        const move = (event) => this.resizeTo(event.clientY);
        const end = () => {
          removeEventListener("mousemove", move);
          removeEventListener("mouseup", end);
        };
        addEventListener("mousemove", move);
        addEventListener("mouseup", end);
      });
    }

    key(event) {
      if (event.target.matches("input")) return;
      const rows = all("#messages tbody tr").filter((row) => !row.hidden);
      const at = rows.findIndex((row) => row.classList.contains("selected"));
      const far = event.ctrlKey || event.metaKey;
      const go = (row) => row && this.loadMessage(row.dataset.messageId);
      switch (event.key) {
        case "ArrowUp": go(far || at < 0 ? rows[0] : rows[at - 1]); break;
        case "ArrowDown": go(far ? rows[rows.length - 1] : rows[at + 1]); break;
        case "ArrowLeft": this.turnTab(-1); break;
        case "ArrowRight": this.turnTab(1); break;
        case "Backspace":
        case "Delete": this.deleteSelected(); break;
        default: return;
      }
      event.preventDefault();
    }

    // --- the list

    haveMessage(message) {
      return $(`#messages tbody tr[data-message-id="${message.id}"]`) !== null;
    }

    selectedMessage() {
      const row = $("#messages tr.selected");
      return row ? row.dataset.messageId : undefined;
    }

    messagesCount() {
      return all("#messages tbody tr").length;
    }

    addMessage(message) {
      const row = document.createElement("tr");
      row.dataset.messageId = message.id;
      const cell = (text, instead) => {
        const cell = row.insertCell();
        cell.textContent = text || instead;
        cell.classList.toggle("blank", !text);
      };
      cell(message.sender, "No sender");
      cell((message.recipients || []).join(", "), "No recipients");
      cell(message.subject, "No subject");
      cell(this.formatDate(message.created_at), "");
      $("#messages tbody").prepend(row);
      this.updateMessagesCount();
    }

    removeMessage(id) {
      const row = $(`#messages tbody tr[data-message-id="${id}"]`);
      if (!row) return;
      const selected = row.classList.contains("selected");
      const other = row.nextElementSibling || row.previousElementSibling;
      row.remove();
      if (selected && other) this.loadMessage(other.dataset.messageId);
      else if (selected) this.unselectMessage();
      this.updateMessagesCount();
    }

    clearMessages() {
      $("#messages tbody").replaceChildren();
      this.unselectMessage();
      this.updateMessagesCount();
    }

    deleteSelected() {
      const id = this.selectedMessage();
      if (id === undefined) return;
      ask("DELETE", beside(`messages/${id}`)).then(() => this.removeMessage(id), () => alert("It could not be deleted."));
    }

    searchMessages(query) {
      const words = query.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of all("#messages tbody tr")) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
    }

    updateMessagesCount() {
      const count = this.messagesCount();
      document.title = `MailCatcher (${count})`;
      this.drawCount(count);
    }

    // The number stands in the icon too, drawn over it.
    drawCount(count) {
      const image = new Image();
      image.onload = () => {
        const canvas = document.createElement("canvas");
        canvas.width = canvas.height = 16;
        const pen = canvas.getContext("2d");
        pen.drawImage(image, 0, 0, 16, 16);
        if (count > 0) {
          pen.font = "bold 9px sans-serif";
          pen.textAlign = "right";
          pen.fillStyle = "#b3261e";
          pen.fillText(count > 99 ? "99+" : String(count), 16, 16);
        }
        $("link[rel=icon]").href = canvas.toDataURL("image/png");
      };
      image.src = this.icon;
    }

    // --- the message

    loadMessage(id) {
      for (const row of all("#messages tbody tr")) {
        const chosen = row.dataset.messageId === String(id);
        row.classList.toggle("selected", chosen);
        if (chosen) row.scrollIntoView({ block: "nearest" });
      }
      getJSON(`messages/${id}.json`).then((message) => {
        const fill = (name, text) => { $(`#message .metadata dd.${name}`).textContent = text || ""; };
        fill("created_at", this.formatDate(message.created_at));
        fill("from", message.sender);
        fill("to", (message.recipients || []).join(", "));
        fill("subject", message.subject);
        this.showAttachments(id, message.attachments || []);
        for (const tab of all("#message .views .tab.format")) {
          const format = tab.dataset.messageFormat;
          tab.hidden = !message.formats.includes(format);
          tab.querySelector("a").href = `messages/${id}.${format}`;
        }
        if ($("#message .views .tab.selected").hidden) {
          $("#message .views .tab.selected").classList.remove("selected");
          $("#message .views .tab:not([hidden])").classList.add("selected");
        }
        $("#message .views .download a").href = `messages/${id}.eml`;
        $("#message").classList.add("shown");
        this.loadMessageBody(id);
      }, () => {});
    }

    showAttachments(id, attachments) {
      const list = document.createElement("ul");
      for (const attachment of attachments) {
        const link = document.createElement("a");
        link.href = `messages/${id}/parts/${attachment.cid}`; // as the mail has it
        link.className = attachment.type.split("/")[0];
        link.textContent = attachment.filename;
        const item = document.createElement("li");
        item.append(link);
        list.append(item);
      }
      $("#message .metadata dd.attachments").replaceChildren(list);
      for (const element of all("#message .metadata .attachments")) element.hidden = attachments.length === 0;
    }

    loadMessageBody(id, format) {
      const chosen = format || $("#message .views .tab.selected").dataset.messageFormat;
      for (const tab of all("#message .views .tab.format")) {
        tab.classList.toggle("selected", tab.dataset.messageFormat === chosen);
      }
      if (id !== undefined) $("#message iframe").src = `messages/${id}.${chosen}`;
    }

    turnTab(by) {
      const tabs = all("#message .views .tab.format").filter((tab) => !tab.hidden);
      const at = tabs.findIndex((tab) => tab.classList.contains("selected"));
      const tab = tabs[(at + by + tabs.length) % tabs.length];
      this.loadMessageBody(this.selectedMessage(), tab.dataset.messageFormat);
    }

    // As in the real page, nothing selected means an empty list body too.
    unselectMessage() {
      $("#messages tbody").replaceChildren();
      for (const value of all("#message .metadata dd")) value.replaceChildren();
      $("#message").classList.remove("shown");
      $("#message iframe").src = "about:blank";
    }

    // Reaches into the frame: this is why the frame has to stay of the same origin.
    decorateMessageBody() {
      const inside = $("#message iframe").contentDocument;
      if (!inside) return; // of another origin: the real page's jQuery finds nothing in it then
      const format = $("#message .views .tab.selected").dataset.messageFormat;
      if (format === "html") {
        for (const link of inside.querySelectorAll("a")) link.target = "_blank";
      } else if (format === "plain") {
        const text = inside.documentElement.textContent
          .replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;")
          .replace(/\b(?:https?|ftp):\/\/[^\s<>]*[^\s<>.,;:!?)]/g, '<a href="$&" target="_blank">$&</a>');
        inside.documentElement.innerHTML = `<body style="font-family: sans-serif; white-space: pre-wrap">${text}</body>`;
      }
    }

    // --- live

    refresh() {
      return getJSON("messages").then((messages) => {
        for (const message of messages) if (!this.haveMessage(message)) this.addMessage(message);
        this.updateMessagesCount();
      }, () => {});
    }

    subscribe() {
      if (window.WebSocket) this.subscribeWebSocket();
      else this.refreshInterval = setInterval(() => this.refresh(), 1000);
    }

    subscribeWebSocket() {
      const url = new URL("messages", document.baseURI);
      url.protocol = location.protocol === "https:" ? "wss" : "ws";
      this.websocket = new WebSocket(url.toString());
      this.websocket.onmessage = (event) => {
        const data = JSON.parse(event.data);
        if (data.type === "add") this.addMessage(data.message);
        else if (data.type === "remove") this.removeMessage(data.id);
        else if (data.type === "clear") this.clearMessages();
        else if (data.type === "quit" && !this.quitting) {
          alert("The catcher has quit.");
          this.hasQuit();
        }
      };
    }

    hasQuit() {
      location.assign($("body > header h1 a").href);
    }

    // --- small things

    formatDate(text) {
      const date = new Date(text);
      if (isNaN(date)) return "";
      return date.toLocaleString("en-GB", { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
    }

    resizeTo(height) {
      $("#messages").style.height = `${Math.max(80, height - $("#messages").offsetTop)}px`;
    }
  }

  document.addEventListener("DOMContentLoaded", () => { window.MailCatcher = new MailCatcher(); });
})();
