/** Gives the keyboard to an element when it comes. The attribute `autofocus` does so only for a dialog. */
export const takeFocus = (element: HTMLElement): void => element.focus();
