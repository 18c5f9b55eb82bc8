// What a person chose for this browser.
import type { Grouping, Show } from '../state/sidebar';
import { loadText, saveText } from './storage';

export type Theme = 'system' | 'light' | 'dark';

export interface Choices {
  theme: Theme;
  terminalFontSize: number;
  copyOnSelect: boolean;
  bell: 'none' | 'mark';
  notify: boolean;
  grouping: Grouping;
  show: Show;
  screenReader: boolean;
  sidebarWidth: number;
  attentionOpen: boolean;
  keyRow: boolean;
}

const DEFAULTS: Choices = {
  theme: 'system',
  terminalFontSize: 13,
  copyOnSelect: false,
  bell: 'mark',
  notify: false,
  grouping: 'machine',
  show: 'all',
  screenReader: false,
  sidebarWidth: 272,
  attentionOpen: true,
  keyRow: true,
};

export const FONT_SIZES = { least: 8, most: 28 } as const;

/** The choices, kept at each change. */
export class Settings {
  current = $state<Choices>(load());

  set<K extends keyof Choices>(name: K, value: Choices[K]): void {
    this.current[name] = value;
    saveText('settings', JSON.stringify(this.current));
    if (name === 'theme') applyTheme(this.current.theme);
  }

  constructor() {
    applyTheme(this.current.theme);
  }
}

function load(): Choices {
  try {
    const kept = JSON.parse(loadText('settings') ?? '{}') as Record<string, unknown>;
    const fits = Object.entries(DEFAULTS).map(([name, value]) => [
      name,
      typeof kept[name] === typeof value ? kept[name] : value,
    ]);
    return Object.fromEntries(fits) as Choices;
  } catch {
    return { ...DEFAULTS };
  }
}

function applyTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
