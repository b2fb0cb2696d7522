// The words beside the charts. Everything comes as text from the board's side and is put in as text.

const EVIDENCE_FULL = 1.25; // a bar's end, in thresholds; the mark at 80 % of it is the threshold

function element(kind, text = "", attributes = {}) {
  const made = document.createElement(kind);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function duration(seconds) {
  if (seconds === null) return "";
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

function pairs(place, rows) {
  place.replaceChildren(...rows.flatMap(([label, words, style]) => [
    element("dt", label), element("dd", words, { class: style ?? "" }),
  ]));
}

export class Panels {
  // order(path, name, more) sends an order to the board; shelf: seconds and words of the times that it may be shelved.
  constructor(order, shelf) {
    this.order = order;
    this.shelf = shelf;
    this.drawn = {};
    this.notesTo = "";
  }

  verdict(grade, words) {
    const place = document.getElementById("verdict");
    if (place.textContent !== words) place.textContent = words;
    place.dataset.grade = grade;
    document.title = grade === "good" ? "loopwatch" : `${words} – loopwatch`;
  }

  show(state) {
    const { board, link } = state;
    document.getElementById("who").textContent =
      [board.id ? `board ${board.id.slice(-8)}, firmware ${board.firmware}` : "board not identified yet",
        board.commissioning, board.pump, board.mode].filter(Boolean).join(" · ");
    pairs(document.getElementById("figures"), state.figures.map(({ label, words, status }) => {
      if (!words || status === "stale") return [label, status, status === "absent" ? "" : "fault"];
      return [label, status === "good" ? words : `${words} ${status}`, status === "good" ? "aged" : "aged fault"];
    }));
    document.getElementById("leak").replaceChildren(...state.leak.map(([label, words]) => {
      const tile = element("div");
      tile.append(element("dt", label), element("dd", words, { class: words === "–" ? "" : "aged" }));
      return tile;
    }));
    pairs(document.getElementById("health"), [
      ["link", link.connected ? link.port : "disconnected", link.connected ? "" : "fault"],
      ["last sample", link.age_s === null ? "none yet" : `${link.age_s.toFixed(1)} s ago`, link.stale ? "fault" : ""],
      ["NE 107", board.ne107, board.ne107 === "good" ? "" : "fault"],
      ...link.counts.map(([label, count]) => [label, String(count), count ? "fault" : ""]),
    ]);
    this.evidence(state.evidence, state.unwatched);
    this.alarms(state.alarms);
    this.notes(state.notes);
  }

  evidence(members, unwatched) {
    document.getElementById("evidence").replaceChildren(...members.map(([member, part]) => {
      const row = element("li");
      if (part === null) {
        row.append(element("span", member), element("span", unwatched, { class: "unwatched" }));
        return row;
      }
      const bar = element("span", "", { class: "bar" });
      const filled = element("i", "", { class: part >= 1 ? "over" : part >= 0.5 ? "half" : "" });
      filled.style.width = `${Math.min(1, part / EVIDENCE_FULL) * 100}%`;
      bar.append(filled);
      const words = `${Math.round(part * 100)} %${part >= 1 ? " over" : ""}`;
      row.append(element("span", member), bar, element("span", words, { class: "part" }));
      return row;
    }));
  }

  alarms(rows) {
    const place = document.getElementById("alarms");
    const key = JSON.stringify(rows.map((row) => [row.name, row.state]));
    if (key !== this.drawn.alarms) {
      this.drawn.alarms = key;
      place.replaceChildren(...(rows.length ? rows.map((row) => this.alarm(row)) : [element("li", "no alarms")]));
    }
    rows.forEach((row, i) => {
      const left = row.shelf_s === null ? "" : `${duration(row.shelf_s)} left`;
      const words = [`${row.state} ${row.words}`, left, row.value, duration(row.age_s)].filter(Boolean).join(" · ");
      place.children[i].querySelector(".words").textContent = words;
    });
  }

  alarm(row) {
    const line = element("li", "", { "data-alarm": row.name, "data-state": row.state, "data-priority": row.priority });
    if (!row.acknowledgeable) line.className = "seen";
    line.append(element("span", `${row.mark} ${row.title}`, { class: "name" }), element("span", "", { class: "words" }));
    const buttons = element("div", "", { class: "orders" });
    const orders = [["acknowledge", row.acknowledgeable], ["reset", row.resettable], ["unshelve", row.unshelvable]];
    for (const [order, possible] of orders) {
      if (!possible) continue;
      const button = element("button", order, { type: "button", "data-order": order });
      button.addEventListener("click", () => this.give(button, order, row.name));
      buttons.append(button);
    }
    if (row.shelvable) buttons.append(this.times(row.name));
    line.append(buttons);
    return line;
  }

  // For how long an alarm is to be shelved.
  times(name) {
    const choice = element("select", "", { "data-order": "shelve", "aria-label": `shelve ${name} for` });
    choice.append(element("option", "shelve …", { value: "" }));
    for (const [seconds, words] of this.shelf) choice.append(element("option", `for ${words}`, { value: seconds }));
    choice.addEventListener("change", async () => {
      if (choice.value) await this.give(choice, "shelve", name, { seconds: Number(choice.value) });
      choice.value = "";
    });
    return choice;
  }

  async give(control, order, name, more) {
    control.disabled = true;
    document.getElementById("answer").textContent = await this.order(order, name, more);
    control.disabled = false;
  }

  notes(rows) {
    const place = document.getElementById("notes");
    const key = JSON.stringify(rows[rows.length - 1] ?? "") + rows.length;
    if (key === this.notesTo) return;
    this.notesTo = key;
    place.replaceChildren(...rows.map(([stamp, text, grade]) => {
      const line = element("li", "", { "data-grade": grade });
      line.append(element("time", stamp), document.createTextNode(text));
      return line;
    }).reverse());
  }
}
