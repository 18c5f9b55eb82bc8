// How much room there is.

/** Narrower than this there is one thing on the screen at a time; theme.css uses the same width. */
const PHONE = '(max-width: 719px)';

class Viewport {
  #query = matchMedia(PHONE);
  isPhone = $state(this.#query.matches);

  constructor() {
    this.#query.addEventListener('change', () => (this.isPhone = this.#query.matches));
  }
}

export const viewport = new Viewport();
