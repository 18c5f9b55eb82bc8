// Where a session's grid stands in its pane: at the chosen font if it fits, else at one at which all of it
// can be seen.
import type { XtermCanvas } from './canvas';
import { fontFor, gridFor } from './fit';

/** Room around the grid, and around one that has a frame. */
const MARGIN = { width: 20, height: 12 };
const FRAME = { width: 34, height: 26 };

type Grid = { cols: number; rows: number };

export class Placement {
  /** The session's grid. */
  grid = $state.raw<Grid>({ cols: 0, rows: 0 });
  /** The grid that would fill the pane at the chosen font. */
  offered = $state.raw<Grid>();
  misfits = $derived(
    this.offered !== undefined && (this.offered.cols !== this.grid.cols || this.offered.rows !== this.grid.rows),
  );

  /** Measures, and sets the font. */
  layOut(canvas: XtermCanvas, room: HTMLElement, fontWish: number): void {
    const cell = canvas.cellRatio();
    if (!cell) return;
    const less = (by: typeof MARGIN): typeof MARGIN => ({
      width: room.clientWidth - by.width,
      height: room.clientHeight - by.height,
    });
    const { terminal } = canvas;
    const [grid, offered] = [{ cols: terminal.cols, rows: terminal.rows }, gridFor(less(MARGIN), fontWish, cell)];
    const fits = grid.cols <= offered.cols && grid.rows <= offered.rows;
    const fontSize = fits ? fontWish : fontFor(grid, less(FRAME), fontWish, cell);
    if (terminal.options.fontSize !== fontSize) terminal.options.fontSize = fontSize;
    this.grid = grid;
    this.offered = offered;
  }
}
