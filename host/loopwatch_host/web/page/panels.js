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
  // order(path, name) sends an order to the board.
  constructor(order) {
    this.order = order;
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
    pairs(document.getElementById("leak"), state.leak.map(([label, words]) => [label, words, words === "–" ? "" : "aged"]));
    pairs(document.getElementById("health"), [
      ["link", link.connected ? link.port : "disconnected", link.connected ? "" : "fault"],
      ["last sample", link.age_s === null ? "none yet" : `${link.age_s.toFixed(1)} s ago`, link.stale ? "fault" : ""],
      ["NE 107", board.ne107, board.ne107 === "good" ? "" : "fault"],
      ...link.counts.map(([label, count]) => [label, String(count), count ? "fault" : ""]),
    ]);
    this.evidence(state.evidence);
    this.alarms(state.alarms);
    this.notes(state.notes);
  }

  evidence(members) {
    document.getElementById("evidence").replaceChildren(...members.map(([member, part]) => {
      const row = element("li");
      const bar = element("span", "", { class: "bar" });
      const filled = element("i", "", { class: part >= 1 ? "over" : part >= 0.5 ? "half" : "" });
      filled.style.width = `${Math.min(1, (part ?? 0) / EVIDENCE_FULL) * 100}%`;
      bar.append(filled);
      const words = part === null ? "not known" : `${Math.round(part * 100)} %${part >= 1 ? " over" : ""}`;
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
      const words = [row.words, row.value, duration(row.age_s)].filter(Boolean).join(" · ");
      place.children[i].querySelector(".words").textContent = words;
    });
  }

  alarm(row) {
    const line = element("li", "", { "data-alarm": row.name, "data-state": row.state, "data-priority": row.priority });
    if (!row.acknowledgeable) line.className = "seen";
    line.append(element("span", `${row.mark} ${row.title}`, { class: "name" }), element("span", "", { class: "words" }));
    const orders = [["acknowledge", row.acknowledgeable], ["reset", row.resettable]];
    for (const [order, possible] of orders) {
      if (!possible) continue;
      const button = element("button", order, { type: "button", "data-order": order });
      button.addEventListener("click", async () => {
        button.disabled = true;
        document.getElementById("answer").textContent = await this.order(order, row.name);
        button.disabled = false;
      });
      line.append(button);
    }
    return line;
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
