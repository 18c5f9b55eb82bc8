// How far a viewer has rendered, and when the relay is told.

/**
 * Bytes are given to the terminal in order and come back in order when they are drawn. Credit is sent when
 * an eighth of the window was drawn, and when nothing is left to draw.
 */
export class Credit {
  #given: number;
  #drawn: number;
  #told: number;

  constructor(
    start: number,
    private readonly window: number,
  ) {
    this.#given = this.#drawn = this.#told = start;
  }

  /** Output up to `out` was given to the terminal. */
  handleGiven(out: number): void {
    this.#given = Math.max(this.#given, out);
  }

  /** Output up to `out` is drawn, or was skipped by a gap: the credit to send, if any. */
  handleDrawn(out: number): number | undefined {
    this.#drawn = Math.max(this.#drawn, out);
    const since = this.#drawn - this.#told;
    const allDrawn = this.#drawn >= this.#given;
    if (since === 0 || (since < this.window / 8 && !allDrawn)) return undefined;
    this.#told = this.#drawn;
    return this.#told;
  }
}
