// A session's terminal in xterm.js: bytes in their order, answers to the program's questions only where
// this client is the one that answers, and never for what is replay.
import { SearchAddon } from '@xterm/addon-search';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { type IDisposable, type ITheme, Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import type { ScrolledLine, TerminalSize } from '../../wire/generated';
import { MAX_CLIPBOARD_BYTES, MAX_SCROLLBACK_LINES } from '../../wire/limits';
import type { Canvas } from '../../wire/terminal';
import { bytes as byteWords } from '../../state/words';
import { clearModes, gapText, historyText } from './sequences';

/** What the canvas tells the pane. */
export interface CanvasEvents {
  /** The person typed, or xterm answered a live question of the program. */
  typed(bytes: Uint8Array): void;
  bell(): void;
  openLink(url: string): void;
  /** The program wants text on the clipboard. */
  clipboard(text: string): void;
}

export interface CanvasOptions {
  size: TerminalSize;
  fontFamily: string;
  fontSize: number;
  theme: ITheme;
  screenReader: boolean;
  events: CanvasEvents;
}

/** Whether the bytes that are being parsed may cause an answer, a bell or a clipboard write. */
type Effect = 'allowed' | 'replay';

/**
 * Bytes that are given to xterm at once. It looks at the clock only between pieces, and a frame of short
 * lines takes it a tenth of a second.
 */
const PIECE_BYTES = 4 * 1024;

const encoder = new TextEncoder();

export class XtermCanvas implements Canvas {
  readonly terminal: Terminal;
  readonly search = new SearchAddon({ highlightLimit: 2_000 });
  /** Whether this client owns the session; set by the pane. */
  owns = false;
  #events: CanvasEvents;
  /** One for each write that is not parsed yet, in order. */
  #effects: Effect[] = [];
  #disposables: IDisposable[] = [];

  constructor(options: CanvasOptions) {
    this.#events = options.events;
    this.terminal = new Terminal({
      allowProposedApi: true,
      cols: options.size.cols,
      rows: options.size.rows,
      cursorBlink: false,
      drawBoldTextInBrightColors: false,
      fontFamily: options.fontFamily,
      fontSize: options.fontSize,
      fontWeightBold: '600',
      lineHeight: 1.15,
      linkHandler: { activate: (_, url) => this.#events.openLink(url) },
      macOptionIsMeta: true,
      minimumContrastRatio: 3,
      screenReaderMode: options.screenReader,
      scrollback: MAX_SCROLLBACK_LINES,
      theme: options.theme,
    });
    this.terminal.loadAddon(new Unicode11Addon());
    this.terminal.unicode.activeVersion = '11';
    this.terminal.loadAddon(this.search);
    this.terminal.loadAddon(new WebLinksAddon((_, url) => this.#events.openLink(url)));
    this.#wire();
  }

  open(element: HTMLElement): void {
    this.terminal.open(element);
  }

  begin(history: ScrolledLine[], size: TerminalSize): void {
    this.#write('', 'replay', () => this.terminal.reset());
    this.resize(size);
    if (history.length > 0) this.#write(historyText(history, size.rows), 'replay');
  }

  snapshot(bytes: Uint8Array, part: { first: boolean; last: boolean; exact: boolean }, drawn: () => void): void {
    if (part.first) this.#write(clearModes(this.terminal.rows), 'replay');
    this.#writePieces(bytes, 'replay', drawn);
  }

  output(bytes: Uint8Array, replay: boolean, drawn: () => void): void {
    this.#writePieces(bytes, replay ? 'replay' : 'allowed', drawn);
  }

  gap(from: number, to: number): void {
    this.#write(gapText(`${byteWords(to - from)} are not shown here`, this.terminal.rows), 'replay');
  }

  resize({ cols, rows }: TerminalSize): void {
    // in its place among the writes, which xterm parses later
    this.#write('', 'replay', () => this.terminal.resize(cols, rows));
  }

  /** Width and height of a cell as multiples of the font's size. */
  cellRatio(): { width: number; height: number } | undefined {
    const screen = this.terminal.element?.querySelector('.xterm-screen');
    const fontSize = this.terminal.options.fontSize ?? 13;
    if (!screen || screen.clientWidth === 0) return undefined;
    return {
      width: screen.clientWidth / this.terminal.cols / fontSize,
      height: screen.clientHeight / this.terminal.rows / fontSize,
    };
  }

  close(): void {
    for (const disposable of this.#disposables) disposable.dispose();
    this.terminal.dispose();
  }

  #writePieces(bytes: Uint8Array, effect: Effect, drawn: () => void): void {
    if (bytes.length === 0) return this.#write(bytes, effect, drawn);
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const isLast = at + PIECE_BYTES >= bytes.length;
      this.#write(bytes.subarray(at, at + PIECE_BYTES), effect, isLast ? drawn : undefined);
    }
  }

  #write(data: string | Uint8Array, effect: Effect, then?: () => void): void {
    this.#effects.push(effect);
    this.terminal.write(data, () => {
      this.#effects.shift();
      then?.();
    });
  }

  /** Whether this client is the one that answers what is being parsed now. */
  get #answers(): boolean {
    return this.owns && this.#effects[0] === 'allowed';
  }

  #wire(): void {
    const { terminal } = this;
    this.#disposables.push(
      terminal.onData((text) => this.#events.typed(encoder.encode(text))),
      terminal.onBinary((text) => this.#events.typed(Uint8Array.from(text, (char) => char.charCodeAt(0)))),
      terminal.onBell(() => {
        if (this.#effects[0] === 'allowed') this.#events.bell();
      }),
    );
    this.#swallowQuestions();
    this.#disposables.push(terminal.parser.registerOscHandler(52, (data) => this.#handleClipboard(data)));
  }

  /** Questions are xterm's to answer only for the owner and only live; a handler that says true ends them. */
  #swallowQuestions(): void {
    const { parser } = this.terminal;
    const silent = (): boolean => !this.#answers;
    const questions = [
      { final: 'c' },
      { prefix: '>', final: 'c' },
      { prefix: '=', final: 'c' },
      { final: 'n' },
      { prefix: '?', final: 'n' },
      { prefix: '>', final: 'q' },
      { intermediates: '$', final: 'p' },
      { prefix: '?', intermediates: '$', final: 'p' },
      { prefix: '?', final: 'u' },
      { final: 't' },
    ];
    for (const question of questions) this.#disposables.push(parser.registerCsiHandler(question, silent));
    for (const intermediates of ['$', '+']) {
      this.#disposables.push(parser.registerDcsHandler({ intermediates, final: 'q' }, silent));
    }
    const asks = (data: string): boolean => silent() && data.split(';').includes('?');
    for (const ident of [4, 10, 11, 12]) this.#disposables.push(parser.registerOscHandler(ident, asks));
  }

  #handleClipboard(data: string): boolean {
    const encoded = data.slice(data.indexOf(';') + 1);
    // reading the clipboard is nobody's business; writing is for the owner's live program
    if (!this.#answers || encoded === '?' || encoded.length > MAX_CLIPBOARD_BYTES) return true;
    try {
      const raw = Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0));
      this.#events.clipboard(new TextDecoder().decode(raw));
    } catch {
      // not base64: nothing that could be written
    }
    return true;
  }
}
