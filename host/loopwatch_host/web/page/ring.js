// The rows that a page keeps: columns of a fixed size, the oldest given up when full, so that hours cost no more than
// minutes. A missing value is NaN in a column and null in what is handed to a chart.

export class Ring {
  constructor(names, size) {
    this.names = names;
    this.size = size;
    this.columns = names.map(() => new Float64Array(size));
    this.clear();
  }

  clear() {
    this.begin = 0;
    this.length = 0;
  }

  // Take a row, times first. One that is not later than the last is not taken.
  push(row) {
    if (this.length && row[0] <= this.last) return;
    const place = (this.begin + this.length) % this.size;
    row.forEach((value, i) => { this.columns[i][place] = value === null ? NaN : value; });
    if (this.length < this.size) this.length += 1;
    else this.begin = (this.begin + 1) % this.size;
  }

  get first() { return this.length ? this.columns[0][this.begin] : NaN; }

  get last() { return this.length ? this.columns[0][(this.begin + this.length - 1) % this.size] : NaN; }

  // Times and one column from a time on, as plain arrays; a silence longer than gapS gets a row without a value.
  since(fromS, name, gapS) {
    const values = this.columns[this.names.indexOf(name)];
    const times = this.columns[0];
    const t = [], v = [];
    for (let n = this.after(fromS); n < this.length; n += 1) {
      const place = (this.begin + n) % this.size;
      const at = times[place];
      if (t.length && at - t[t.length - 1] > gapS) {
        t.push((at + t[t.length - 1]) / 2);
        v.push(null);
      }
      t.push(at);
      v.push(Number.isNaN(values[place]) ? null : values[place]);
    }
    return [t, v];
  }

  // How many rows lie before a time, by halving.
  after(fromS) {
    let low = 0, high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.columns[0][(this.begin + middle) % this.size] < fromS) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

// Thin a line out to about pointsN points: of each piece of time its least and its greatest value, in their order, so
// that no spike is lost. A piece without any value keeps its gap.
export function thin(t, v, pointsN) {
  if (t.length <= pointsN) return [t, v];
  const pieceS = 2 * (t[t.length - 1] - t[0]) / pointsN;
  const thinT = [], thinV = [];
  let at = 0;
  while (at < t.length) {
    // Pieces stand still on the time line: a line that grows does not flicker.
    const piece = Math.floor(t[at] / pieceS);
    let least = -1, most = -1, gap = -1;
    for (; at < t.length && Math.floor(t[at] / pieceS) === piece; at += 1) {
      if (v[at] === null) gap = at;
      else {
        if (least < 0 || v[at] < v[least]) least = at;
        if (most < 0 || v[at] > v[most]) most = at;
      }
    }
    const kept = [...new Set([least, most, gap])].filter((n) => n >= 0).sort((a, b) => a - b);
    for (const n of kept) { thinT.push(t[n]); thinV.push(v[n]); }
  }
  return [thinT, thinV];
}
