// One terminal as a pane has it: the canvas, the stream that feeds it, and what is said about both.
import type { App } from '../../app/app.svelte';
import type { SessionEntry } from '../../state/fleet';
import { pasteBytes } from '../../state/text';
import { shellWord } from '../../state/path';
import { bytes as byteWords, hasEnded } from '../../state/words';
import type { AttachmentState } from '../../wire/attachment';
import { type Resumption, TerminalStream } from '../../wire/terminal';
import { XtermCanvas } from './canvas';
import { Placement } from './placement.svelte';
import { isDark, TERMINAL_FONT, terminalTheme } from './themes';
import { Typing } from './typing.svelte';

/** Lines above the screen that come with it; older ones are fetched when a person asks for them. */
const HISTORY_LINES = 1_000;
const NOTICE_MS = 6_000;
const RING_MS = 300;
/** A pane that is being resized is laid out when it rests. */
const RESIZE_SETTLE_MS = 120;

/** Something that is said over a terminal for a moment. */
export interface Notice {
  text: string;
  tone: 'plain' | 'good' | 'warn';
}

/** What the view needs to know of its pane, as it is now. */
export interface PaneFacts {
  entry: () => SessionEntry;
  isOwner: () => boolean;
}

export class TerminalView {
  canvas = $state.raw<XtermCanvas>();
  stream = $state.raw<TerminalStream>();
  attachment = $state.raw<AttachmentState>({ at: 'waiting' });
  history = $state.raw({ lines: 0, oldest: true });
  notice = $state.raw<Notice>();
  searches = $state(false);
  /** The oldest line that is here is shown. */
  atTop = $state(false);
  rang = $state(false);
  readonly placement = new Placement();
  readonly typing: Typing;
  #noticeTimer: ReturnType<typeof setTimeout> | undefined;
  #room: HTMLElement | undefined;
  #ends: (() => void)[] = [];
  #isClosed = false;
  #isNoting = false;

  constructor(
    private readonly app: App,
    private readonly pane: PaneFacts,
  ) {
    this.typing = new Typing({
      send: (bytes) => this.stream?.type(bytes) ?? false,
      refusal: () => (hasEnded(pane.entry().info) ? 'ended' : pane.isOwner() ? 'full' : 'not_owner'),
      hasBracketedPaste: () => this.#isBracketed,
      full: () => this.say('Too much waits to be typed already.', 'warn'),
    });
  }

  /** Draws into `host`, in the middle of `room`, once the font is there; `then` when it stands. */
  async open(host: HTMLElement, room: HTMLElement, then: () => void): Promise<void> {
    await document.fonts.load(`13px 'Plex Mono'`).catch(() => undefined);
    if (this.#isClosed) return;
    this.#room = room;
    const canvas = this.#makeCanvas(host);
    this.canvas = canvas;
    this.stream = this.#makeStream(canvas);
    this.#watchSize(room);
    this.layOut();
    then();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#noticeTimer);
    for (const end of this.#ends) end();
    this.stream?.close();
    this.canvas?.close();
  }

  say(text: string, tone: Notice['tone']): void {
    this.notice = { text, tone };
    clearTimeout(this.#noticeTimer);
    this.#noticeTimer = setTimeout(() => (this.notice = undefined), NOTICE_MS);
  }

  layOut(): void {
    if (this.canvas && this.#room) this.placement.layOut(this.canvas, this.#room, this.app.settings.current.terminalFontSize);
  }

  /** Gives the session the size that this pane has room for. */
  fit(): void {
    const [entry, { offered }] = [this.pane.entry(), this.placement];
    if (!offered || !this.pane.isOwner()) return;
    if (!this.app.fitted.has(entry.key)) this.app.setFitted(entry.key, true);
    const size = { ...offered, xpixel: 0, ypixel: 0 };
    void this.app.attempt('The size could not be set', () => this.app.link.call('session.resize', { ...this.app.target(entry), size }));
  }

  /** Fetches lines that are older than those that are here. */
  showEarlier(): void {
    this.stream?.deepen(this.history.lines * 4 + HISTORY_LINES);
    this.atTop = false;
  }

  focus(): void {
    this.canvas?.terminal.focus();
  }

  /** Types the path of a file that was uploaded, as a word of its own. */
  typePath(path: string): void {
    const { label } = this.pane.entry().info;
    if (!this.pane.isOwner()) return this.say(`The file is at ${path} on the machine of ${label}.`, 'plain');
    this.typing.type(pasteBytes(`${shellWord(path)} `, this.#isBracketed));
    this.focus();
  }

  get #isBracketed(): boolean {
    return this.canvas?.terminal.modes.bracketedPasteMode ?? false;
  }

  #makeCanvas(host: HTMLElement): XtermCanvas {
    const choices = this.app.settings.current;
    const canvas = new XtermCanvas({
      size: this.pane.entry().info.size,
      fontFamily: TERMINAL_FONT,
      fontSize: choices.terminalFontSize,
      theme: terminalTheme(isDark(choices.theme)),
      screenReader: choices.screenReader,
      events: {
        typed: (bytes) => this.typing.handleTyped(bytes),
        openLink: (url) => this.#openLink(url),
        clipboard: (text) => this.#toClipboard(text),
        bell: () => this.#ring(),
      },
    });
    canvas.open(host);
    const { terminal } = canvas;
    terminal.attachCustomKeyEventHandler((event) => this.#handleKey(event));
    terminal.onResize(() => requestAnimationFrame(() => this.layOut()));
    terminal.onScroll(() => this.#noteScroll());
    terminal.onSelectionChange(() => {
      const text = terminal.getSelection();
      if (text && this.app.settings.current.copyOnSelect) void navigator.clipboard?.writeText(text);
    });
    return canvas;
  }

  #makeStream(canvas: XtermCanvas): TerminalStream {
    const target = this.app.target(this.pane.entry());
    return new TerminalStream(this.app.link, target, canvas, {
      state: (state) => (this.attachment = state),
      resumed: (resumption) => this.#resumed(resumption),
      skipped: (count) => this.say(`${byteWords(count)} came faster than they could be drawn and were skipped.`, 'plain'),
      inputLost: (count, why) => this.say(count > 0 ? `${byteWords(count)} of what you typed did not arrive: ${why}.` : why, 'warn'),
      event: () => {},
      history: (state) => (this.history = state),
    }, HISTORY_LINES);
  }

  #watchSize(room: HTMLElement): void {
    let timer: ReturnType<typeof setTimeout>;
    const sizes = new ResizeObserver(() => {
      clearTimeout(timer);
      timer = setTimeout(() => this.layOut(), RESIZE_SETTLE_MS);
    });
    sizes.observe(room);
    this.#ends.push(() => sizes.disconnect());
  }

  #resumed(resumption: Resumption): void {
    switch (resumption.how) {
      case 'nothing_missed':
        return this.say('Back again, nothing missed.', 'good');
      case 'gap':
        return this.say(`Back again, with a gap of ${byteWords(resumption.bytes)}.`, 'warn');
      case 'reset':
        return this.say('Back again; the session has another log now.', 'warn');
    }
  }

  #handleKey(event: KeyboardEvent): boolean {
    if (event.type !== 'keydown' || !event.ctrlKey || !event.shiftKey || event.altKey) return true;
    if (event.code === 'KeyF') this.searches = true;
    else if (event.code === 'KeyC') void navigator.clipboard?.writeText(this.canvas?.terminal.getSelection() ?? '');
    else return true;
    event.preventDefault();
    return false;
  }

  /** Programs scroll a thousand times between two pictures. */
  #noteScroll(): void {
    if (this.#isNoting) return;
    this.#isNoting = true;
    requestAnimationFrame(() => {
      this.#isNoting = false;
      const { viewportY, baseY, type } = this.canvas?.terminal.buffer.active ?? { viewportY: 1, baseY: 0, type: 'normal' };
      this.atTop = viewportY === 0 && baseY > 0 && type === 'normal';
    });
  }

  #openLink(url: string): void {
    if (!/^https?:\/\//i.test(url)) return this.say(`Only web links are opened: ${url.slice(0, 80)}`, 'warn');
    window.open(url, '_blank', 'noopener,noreferrer');
  }

  #toClipboard(text: string): void {
    void navigator.clipboard?.writeText(text).then(
      () => this.say(`The program put ${byteWords(text.length)} on the clipboard.`, 'plain'),
      () => this.say('The program wanted to write to the clipboard; the browser did not let it.', 'warn'),
    );
  }

  #ring(): void {
    if (this.app.settings.current.bell === 'none') return;
    this.rang = true;
    setTimeout(() => (this.rang = false), RING_MS);
  }
}
