// Says whether a snapshot is exact: feeds the same bytes to one xterm.js directly and its snapshot to
// another, and compares all that can be seen, at once and after each later piece of output.
//
// Standard input: {"widths": [[first, last, columns], …], "cases": [{name, cols, rows, scrollback,
// steps: [{"bytes": …} | {"cols": …, "rows": …}], snapshot: {cols, rows, bytes, exact}, later: […]}]}
// with bytes as Latin-1 text. Standard output: [{name, exact, differences: [{after, path, direct,
// replayed}]}].

import { readFileSync } from 'node:fs';
import headless from '@xterm/headless';

const PROTECTED = 0x20000000;
const MAX_DIFFERENCES = 6;

const input = JSON.parse(readFileSync(0, 'utf8'));

/** The model's widths: a viewer has to take them over. */
class Widths {
  version = 'quarterdeck';
  wcwidth(code) {
    let low = 0;
    let high = input.widths.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const [first, last, columns] = input.widths[middle];
      if (code < first) high = middle - 1;
      else if (code > last) low = middle + 1;
      else return columns;
    }
    return code < 32 || (code >= 0x7f && code < 0xa0) ? 0 : 1;
  }
  charProperties(code, before) {
    const beforeWidth = (before >> 1) & 3;
    const own = this.wcwidth(code);
    const joins = own === 0 && before !== 0 && beforeWidth > 0;
    return ((joins ? beforeWidth : own) << 1) | (joins ? 1 : 0);
  }
}

class Viewer {
  constructor(cols, rows, scrollback) {
    this.term = new headless.Terminal({
      cols, rows, scrollback, allowProposedApi: true, logLevel: 'off',
      windowOptions: { pushTitle: true, popTitle: true, getWinSizeChars: true },
    });
    this.term.unicode.register(new Widths());
    this.term.unicode.activeVersion = 'quarterdeck';
    this.title = '';
    this.replies = '';
    this.colors = {};
    this.term.onTitleChange((title) => { this.title = title; });
    this.term.onData((data) => { this.replies += data; });
    this.core = this.term._core;
    this.core._inputHandler.onColor((events) => events.forEach((event) => this.changeColor(event)));
  }

  changeColor({ type, index, color }) {
    if (type === 1) this.colors[index] = color.join();
    if (type === 2 && index !== undefined) delete this.colors[index];
    if (type === 2 && index === undefined) {
      for (let entry = 0; entry < 256; entry++) delete this.colors[entry];
    }
  }

  /** At once: the public write waits for a timer each time, and there are no asynchronous handlers. */
  write(latin1) {
    this.core.writeSync(Buffer.from(latin1, 'latin1'));
  }

  step(step) {
    if (step.bytes === undefined) this.term.resize(step.cols, step.rows);
    else this.write(step.bytes);
  }

  /** Everything that can be seen, by path. */
  state() {
    const state = {};
    const active = this.term.buffer.active;
    state.screen = active.type;
    state.cursor = `${active.cursorX},${active.cursorY}`;
    state.title = this.title;
    state.colors = JSON.stringify(this.colors);
    state.replies = this.replies;
    Object.assign(state, this.modes());
    this.links = new Map();
    this.addBuffer(state, 'primary', this.term.buffer.normal);
    if (active.type === 'alternate') this.addBuffer(state, 'alternate', active);
    this.replies = '';
    return state;
  }

  modes() {
    const { coreService, coreMouseService, options } = this.core;
    const hidden = {
      cursorHidden: coreService.isCursorHidden,
      cursorStyle: coreService.decPrivateModes.cursorStyle,
      cursorStyleBlinks: coreService.decPrivateModes.cursorBlink,
      mouseEncoding: coreMouseService.activeEncoding,
      lineFeedReturns: options.convertEol,
      cursorBlinks: options.cursorBlink,
    };
    const modes = { ...this.term.modes, ...hidden };
    return Object.fromEntries(Object.entries(modes).map(([key, value]) => [`mode ${key}`, value]));
  }

  addBuffer(state, name, buffer) {
    for (let y = 0; y < this.term.rows; y++) {
      const line = buffer.getLine(buffer.baseY + y);
      if (y > 0) state[`${name} row ${y} wrapped`] = line.isWrapped;
      for (let x = 0; x < this.term.cols; x++) {
        state[`${name} ${x},${y}`] = this.cell(line.getCell(x));
      }
    }
  }

  /** A cell as text. A cell that was never written and a space are the same picture. */
  cell(cell) {
    const parts = [cell.getChars() || ' ', `w${cell.getWidth()}`];
    parts.push(`fg${cell.getFgColorMode()}:${cell.getFgColor()}`);
    parts.push(`bg${cell.getBgColorMode()}:${cell.getBgColor()}`);
    for (const attribute of ['Bold', 'Dim', 'Italic', 'Blink', 'Inverse', 'Invisible',
      'Strikethrough', 'Overline']) {
      if (cell[`is${attribute}`]()) parts.push(attribute);
    }
    if (cell.isUnderline()) {
      parts.push(`underline${cell.extended.underlineStyle || 1}`);
      parts.push(`color${cell.getUnderlineColorMode()}:${cell.getUnderlineColor()}`);
    }
    if (cell.bg & PROTECTED) parts.push('protected');
    if (cell.hasExtendedAttrs() && cell.extended.urlId) parts.push(this.link(cell.extended.urlId));
    return parts.join(' ');
  }

  /** A link by its target and by which cells share it; names that nobody sees do not count. */
  link(id) {
    if (!this.links.has(id)) this.links.set(id, this.links.size);
    return `link${this.links.get(id)}=${this.core._oscLinkService.getLinkData(id)?.uri}`;
  }
}

function compare(after, direct, replayed) {
  const differences = [];
  for (const path of new Set([...Object.keys(direct), ...Object.keys(replayed)])) {
    if (direct[path] !== replayed[path]) {
      differences.push({ after, path, direct: `${direct[path]}`, replayed: `${replayed[path]}` });
    }
  }
  return differences;
}

function judge({ name, cols, rows, scrollback, steps, snapshot, later }) {
  const direct = new Viewer(cols, rows, scrollback);
  for (const step of steps) direct.step(step);
  direct.replies = '';
  const replayed = new Viewer(snapshot.cols, snapshot.rows, scrollback);
  replayed.write(snapshot.bytes);
  const differences = replayed.replies
    ? [{ after: 'the snapshot', path: 'replies', direct: '', replayed: replayed.replies }]
    : [];
  replayed.replies = '';
  differences.push(...compare('the snapshot', direct.state(), replayed.state()));
  for (const bytes of later) {
    if (differences.length > 0) break;
    direct.write(bytes);
    replayed.write(bytes);
    differences.push(...compare(JSON.stringify(bytes), direct.state(), replayed.state()));
  }
  direct.term.dispose();
  replayed.term.dispose();
  return { name, exact: snapshot.exact, differences: differences.slice(0, MAX_DIFFERENCES) };
}

process.stdout.write(JSON.stringify(input.cases.map(judge)));
