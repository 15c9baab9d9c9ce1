// A long table of which only the lines in view are in the document. It is written to directly, without Preact: once a frame of the screen,
// what changed, and nothing else.
//
// A flash is drawn on a canvas that lies beneath the text: no text is painted anew for it, however many cells flash, and none is hidden.

import { movement } from "./colour.js";
import { Flashes } from "./flashes.js";
import { fitting, linesInView, placed, topFor } from "./windowing.js";

const NONE = new Set();
const NOTHING = { text: "", colour: "" };
const LINE = 22; // pixels
const TOUCHED_LINE = 44; // on what is worked with fingers
// Lines that are written in a frame of the screen; others wait for the next one, so that none takes long.
const LINES_A_FRAME = 12;

export class Sheet {
  /**
   * @param root the scrolling element; it becomes the sheet's own.
   * @param on what it asks and tells: `view(symbol)` of a line; the words `caption()`, `heading(column)`, `groupName(group)`,
   *   `sortLabel(column, heading)`, `label(mark)`, `starLabel(symbol)` and, to know whether these have changed, `word()`; `href(symbol)`;
   *   `isMine(symbol)`; `open(symbol)`, `star(symbol)`, `sortBy(column)` when that is clicked.
   */
  constructor(root, on) {
    this.root = root;
    this.on = on;
    this.symbols = [];
    this.places = new Map(); // symbol → its place in the order
    this.columns = [];
    this.chosen = [];
    this.height = LINE;
    this.changed = new Set(); // symbols whose lines are still to be written
    this.selected = null;
    this.lines = []; // in the order of the document
    this.first = 0;
    this.sort = { column: null, descending: false };
    this._build();
    this.flashes = new Flashes(this.canvas, () => ({ top: this.root.scrollTop, left: this.root.scrollLeft }));
    this._observer = new ResizeObserver(() => this._measure());
    this._observer.observe(root);
  }

  end() {
    this._observer.disconnect();
    this.flashes.end();
    this.root.replaceChildren();
  }

  _build() {
    const make = (name, parent, className = "") => {
      const element = document.createElement(name);
      element.className = className;
      parent.append(element);
      return element;
    };
    this.root.replaceChildren();
    this.bands = make("div", this.root, "bands");
    this.bands.ariaHidden = "true";
    const pane = make("div", this.root, "flash-pane");
    pane.ariaHidden = "true";
    this.canvas = make("canvas", pane);
    this.table = make("table", this.root);
    // Its parts are laid out as blocks: what they are has to be said.
    this.table.role = "table";
    this.head = make("thead", this.table);
    this.body = make("tbody", this.table);
    for (const part of [this.head, this.body]) part.role = "rowgroup";
    this.root.addEventListener("scroll", () => this._soon(), { passive: true });
    this.root.addEventListener("click", (event) => this._clicked(event));
    this.root.addEventListener("keydown", (event) => this._pressed(event));
  }

  _soon() {
    if (this._asked) return;
    this._asked = true;
    requestAnimationFrame(() => {
      this._asked = false;
      this._window();
      this.flashes.redraw();
    });
  }

  _measure() {
    const height = lineHeight();
    if (this.root.clientWidth === this.width && this.root.clientHeight === this.room && height === this.height) return;
    this.width = this.root.clientWidth;
    this.room = this.root.clientHeight;
    this.height = height;
    this.flashes.resize(this.width, this.room);
    this._layOut();
  }

  /** Show these columns; those that do not fit are left out. */
  show(columns) {
    this.chosen = columns;
    this.width = this.root.clientWidth;
    this.room = this.root.clientHeight;
    this.height = lineHeight();
    this.flashes.resize(this.width, this.room);
    this._layOut();
  }

  _layOut() {
    if (this.chosen.length === 0 || !this.width) return;
    this.columns = fitting(this.chosen, this.width);
    this.spans = placed(this.columns, this.width);
    const full = this.spans.at(-1).x + this.spans.at(-1).width;
    this.table.style.width = `${full}px`;
    this._drawHead();
    this._drawBands(full);
    this.body.replaceChildren();
    this.lines = [];
    this.flashes.clear();
    this._window();
  }

  /** How high the headings are: two lines, of which a column without a group has both. */
  get headHeight() {
    return 2 * (this.height === LINE ? LINE : 30);
  }

  /** Write the headings anew: after a change of language, order or columns. */
  _drawHead() {
    const top = document.createElement("tr");
    const low = document.createElement("tr");
    const half = this.headHeight / 2;
    top.role = low.role = "row";
    this.table.ariaLabel = this.on.caption();
    this.head.style.height = `${this.headHeight}px`;
    const put = (row, th, className, { x, width }, y, height) => {
      th.role = "columnheader";
      th.className = className;
      Object.assign(th.style, { left: `${x}px`, width: `${width}px`, top: `${y}px`, height: `${height}px`, lineHeight: `${height}px` });
      row.append(th);
    };
    this.columns.forEach((column, i) => {
      const th = document.createElement("th");
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.sort = column.id;
      button.textContent = this.on.heading(column);
      button.ariaLabel = this.on.sortLabel(column, button.textContent);
      const isSorted = this.sort.column === column.id;
      if (isSorted) button.dataset.way = this.sort.descending ? "▼" : "▲";
      th.ariaSort = isSorted ? (this.sort.descending ? "descending" : "ascending") : null;
      th.append(button);
      const { group } = column;
      const isSingle = group === undefined;
      put(isSingle ? top : low, th, `${column.id} ${group ?? ""}`, this.spans[i], isSingle ? 0 : half, isSingle ? 2 * half : half);
      if (isSingle || this.columns[i - 1]?.group === group) return;
      const over = document.createElement("th");
      const last = this.spans[this.columns.findLastIndex((other) => other.group === group)];
      over.textContent = this.on.groupName(group);
      put(top, over, `side ${group}`, { x: this.spans[i].x, width: last.x + last.width - this.spans[i].x }, 0, half);
    });
    this.head.replaceChildren(top, low);
  }

  _drawBands(full) {
    const groups = ["bid", "match", "ask"];
    this.bands.replaceChildren(
      ...groups.flatMap((group) => {
        const at = this.columns.findIndex((column) => column.group === group);
        if (at < 0) return [];
        const count = this.columns.filter((column) => column.group === group).length;
        const band = document.createElement("div");
        band.className = group;
        band.style.left = `${this.spans[at].x}px`;
        band.style.width = `${(this.spans[at + count]?.x ?? full) - this.spans[at].x}px`;
        return [band];
      }),
    );
  }

  /** Words changed: write everything anew. */
  redraw() {
    this._layOut();
  }

  /** Show `symbols` in this order; `sort` is what the headings say of it. */
  arrange(symbols, sort) {
    const isSame = symbols.length === this.symbols.length && symbols.every((symbol, i) => symbol === this.symbols[i]);
    const isSorted = sort.column === this.sort.column && sort.descending === this.sort.descending;
    this.sort = sort;
    if (!isSorted) this._drawHead();
    if (isSame) return;
    this.symbols = symbols;
    this.places = new Map(symbols.map((symbol, place) => [symbol, place]));
    this._window();
  }

  /** Have the lines that are in view in the document. */
  _window() {
    if (this.columns.length === 0) return;
    const head = this.headHeight;
    const [first, last] = linesInView(this.symbols.length, this.height, this.root.scrollTop, this.room - head);
    while (this.lines.length > last - first) this.lines.pop().row.remove();
    while (this.lines.length < last - first) this._addLine();
    // Lines that left on one side are used again on the other, so that scrolling by a line writes one.
    const by = first - this.first;
    if (by > 0 && by < this.lines.length) {
      const moved = this.lines.splice(0, by);
      this.lines.push(...moved);
      this.body.append(...moved.map((line) => line.row));
    } else if (by < 0 && -by < this.lines.length) {
      const moved = this.lines.splice(by);
      this.lines.unshift(...moved);
      this.body.prepend(...moved.map((line) => line.row));
    }
    this.first = first;
    this.body.style.height = `${this.symbols.length * this.height}px`;
    this.body.style.paddingTop = `${first * this.height}px`;
    this.bands.style.height = `${this.symbols.length * this.height + head}px`;
    this.flashes.place(head, this.height, this.places);
    this.table.ariaRowCount = this.symbols.length + 2;
    this.lines.forEach((line, i) => {
      const symbol = this.symbols[first + i];
      if (line.symbol === symbol) {
        line.row.ariaRowIndex = first + i + 3;
        return;
      }
      if (line.row.contains(document.activeElement) && line.symbol !== null) this.root.focus({ preventScroll: true });
      line.symbol = symbol;
      line.row.dataset.symbol = symbol;
      line.row.ariaRowIndex = first + i + 3;
      line.link.tabIndex = symbol === this.selected ? 0 : -1;
      line.row.classList.toggle("selected", symbol === this.selected);
      this._write(line, false);
    });
  }

  _addLine() {
    const row = document.createElement("tr");
    const star = document.createElement("button");
    star.type = "button";
    star.className = "star";
    star.tabIndex = -1;
    const link = document.createElement("a");
    const small = document.createElement("small");
    const cells = this.columns.map((column, i) => {
      const isSymbol = column.id === "symbol";
      const element = document.createElement(isSymbol ? "th" : "td");
      const base = isSymbol ? "symbol" : `${column.id} number`;
      element.className = base;
      element.role = isSymbol ? "rowheader" : "cell";
      Object.assign(element.style, { left: `${this.spans[i].x}px`, width: `${this.spans[i].width}px` });
      const sign = document.createElement("i");
      const text = document.createTextNode("");
      if (isSymbol) {
        link.append(text);
        element.append(star, link, small);
      } else element.append(text);
      row.append(element);
      return { element, base, text, sign, said: "", colour: "", mark: "", value: undefined };
    });
    const line = { row, cells, link, star, small, symbol: null, name: null, alias: "" };
    row.role = "row";
    Object.assign(row.style, { height: `${this.height}px`, lineHeight: `${this.height - 1}px` });
    this.lines.push(line);
    this.body.append(row);
  }

  /** Take what changed: `symbols` is a Set. Only lines in the document are written. */
  update(symbols) {
    for (const symbol of symbols) this.changed.add(symbol);
    if (this.writing) return;
    let left = LINES_A_FRAME;
    for (const line of this.lines) {
      if (!this.changed.has(line.symbol)) continue;
      if (left-- === 0) {
        this.writing = true;
        requestAnimationFrame(() => {
          this.writing = false;
          this.update(NONE);
        });
        return;
      }
      this.changed.delete(line.symbol);
      this._write(line, true);
    }
    // What is left is of lines out of view, which are written when they come into it.
    this.changed.clear();
  }

  /** Write the cells of a line that changed. */
  _write(line, flashing) {
    const view = this.on.view(line.symbol);
    const { symbol, contract, reference } = view;
    const name = reference?.name ?? symbol;
    if (line.name !== name) {
      line.name = name;
      line.cells[0].element.title = name;
    }
    line.link.href = this.on.href(symbol);
    const alias = contract?.alias ?? "";
    if (line.alias !== alias) line.small.textContent = line.alias = alias;
    this._writeStar(line);
    const isOdd = view.auction;
    if (line.auction !== isOdd) line.row.classList.toggle("auction", (line.auction = isOdd));
    for (let i = 0; i < this.columns.length; i++) {
      const cell = line.cells[i];
      const column = this.columns[i];
      const told = view.row === null && column.id !== "symbol" ? NOTHING : column.cell(view);
      if (cell.said !== told.text) cell.text.data = cell.said = told.text;
      const colour = told.colour ?? "";
      if (cell.colour !== colour) {
        cell.colour = colour;
        cell.element.className = colour === "" ? cell.base : `${cell.base} ${colour}`;
      }
      const sign = told.mark ?? "";
      if (cell.mark !== sign) {
        cell.mark = sign;
        if (sign === "") cell.sign.remove();
        else {
          cell.sign.className = sign === "DK" ? "indicative" : "mark";
          cell.sign.textContent = this.on.label(sign);
          cell.element.prepend(cell.sign);
        }
      }
      const moved = flashing ? movement(cell.value, told.value) : "";
      cell.value = told.value;
      if (moved !== "") this.flashes.add(line.symbol, i, this.spans[i], moved);
    }
  }

  _writeStar(line) {
    const isMine = this.on.isMine(line.symbol);
    if (line.starred === isMine && line.starOf === line.symbol && line.starWord === this.on.word()) return;
    line.starred = isMine;
    line.starOf = line.symbol;
    line.starWord = this.on.word();
    line.star.textContent = isMine ? "★" : "☆";
    line.star.ariaPressed = String(isMine);
    line.star.ariaLabel = this.on.starLabel(line.symbol);
  }

  /** The user's list changed. */
  updateStars() {
    for (const line of this.lines) this._writeStar(line);
  }

  _clicked(event) {
    const heading = event.target.closest("button[data-sort]");
    if (heading !== null) {
      this.on.sortBy(heading.dataset.sort);
      return;
    }
    const row = event.target.closest("tr[data-symbol]");
    if (row === null || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (event.target.closest(".star") !== null) this.on.star(row.dataset.symbol);
    else {
      this.select(row.dataset.symbol, false);
      this.on.open(row.dataset.symbol);
    }
  }

  _pressed(event) {
    const page = Math.max(1, Math.floor(this.room / this.height) - 3);
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (by === undefined || event.target.closest("thead") !== null) return;
    event.preventDefault();
    const place = this.places.get(this.selected);
    const isStep = place === undefined && Number.isFinite(by);
    const next = isStep ? (by > 0 ? 0 : this.symbols.length - 1) : (place ?? 0) + by;
    this.selectPlace(Math.min(this.symbols.length - 1, Math.max(0, next)));
  }

  selectPlace(place) {
    if (this.symbols.length > 0) this.select(this.symbols[place], true);
  }

  /** Mark a line as the chosen one; with `focus` it is scrolled to, and the keyboard goes there. */
  select(symbol, focus) {
    this.selected = symbol;
    const place = this.places.get(symbol);
    if (focus && place !== undefined) {
      const room = this.room - this.headHeight;
      this.root.scrollTop = topFor(place, this.height, this.root.scrollTop, room);
      this._window();
    }
    for (const line of this.lines) {
      const isIt = line.symbol === symbol;
      line.row.classList.toggle("selected", isIt);
      line.link.tabIndex = isIt ? 0 : -1;
      if (isIt && focus) line.link.focus({ preventScroll: true });
    }
  }
}


const lineHeight = () => (matchMedia("(max-width: 700px), (pointer: coarse)").matches ? TOUCHED_LINE : LINE);
