// Colours of terminals. Both keep a contrast of at least 4.5 between the 16 colours' normal half and the
// background; xterm raises what programs choose themselves.
import type { ITheme } from '@xterm/xterm';

const DARK: ITheme = {
  background: '#0b0f13',
  foreground: '#d5dbdf',
  cursor: '#e2a848',
  cursorAccent: '#0b0f13',
  selectionBackground: '#2b4a5c',
  black: '#1d262d',
  red: '#e67c69',
  green: '#78bf93',
  yellow: '#ddb263',
  blue: '#6cabd8',
  magenta: '#bf97d3',
  cyan: '#63bdbb',
  white: '#c3cbd0',
  brightBlack: '#6d7b85',
  brightRed: '#f39a88',
  brightGreen: '#98d7ae',
  brightYellow: '#f0cb85',
  brightBlue: '#92c6ea',
  brightMagenta: '#d6b4e6',
  brightCyan: '#8ad6d4',
  brightWhite: '#f1f4f5',
};

const LIGHT: ITheme = {
  background: '#fcfbf8',
  foreground: '#1f272d',
  cursor: '#9a5f04',
  cursorAccent: '#fcfbf8',
  selectionBackground: '#cfe1ea',
  black: '#1f272d',
  red: '#ad3527',
  green: '#29704b',
  yellow: '#8a5a06',
  blue: '#1d5f97',
  magenta: '#7d4395',
  cyan: '#116d70',
  white: '#6b747b',
  brightBlack: '#545e66',
  brightRed: '#c8483a',
  brightGreen: '#35855b',
  brightYellow: '#a06d12',
  brightBlue: '#2a74b3',
  brightMagenta: '#9457ad',
  brightCyan: '#1b8285',
  brightWhite: '#39434a',
};

export const terminalTheme = (isDark: boolean): ITheme => (isDark ? DARK : LIGHT);

/** Whether the page is dark now. */
export const isDark = (theme: 'system' | 'light' | 'dark'): boolean =>
  theme === 'dark' || (theme === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);

export const TERMINAL_FONT = "'Plex Mono', ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace";
