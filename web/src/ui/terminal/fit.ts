// How a grid of cells is placed in a pane.
import type { TerminalSize } from '../../wire/generated';

/** A cell as multiples of the font's size. */
export interface CellRatio {
  width: number;
  height: number;
}

export interface Room {
  width: number;
  height: number;
}

/** A font below this cannot be read; the view is scrolled instead. */
const LEAST_FONT_PX = 6;
/** What a session may be set to from here; the relay's own limit is 2000. */
const MOST_CELLS = 500;

/** The grid that fills the room at this font size. */
export function gridFor(room: Room, fontSize: number, cell: CellRatio): { cols: number; rows: number } {
  const fit = (length: number, ratio: number): number =>
    Math.min(MOST_CELLS, Math.max(2, Math.floor(length / (ratio * fontSize))));
  return { cols: fit(room.width, cell.width), rows: fit(room.height, cell.height) };
}

/** The largest font up to `wish` at which the whole grid can be seen. */
export function fontFor(size: Pick<TerminalSize, 'cols' | 'rows'>, room: Room, wish: number, cell: CellRatio): number {
  const widest = room.width / (size.cols * cell.width);
  const highest = room.height / (size.rows * cell.height);
  const fitting = Math.floor(Math.min(wish, widest, highest) * 4) / 4;
  return Math.max(LEAST_FONT_PX, fitting);
}
