// Notifications from an open page that nobody looks at.
import type { AttentionItem } from '../state/attention';

export class Notifier {
  #told = new Set<string>();

  constructor(private readonly open: (key: string) => void) {}

  static get permission(): NotificationPermission | 'unsupported' {
    return 'Notification' in window ? Notification.permission : 'unsupported';
  }

  /** Must be called by a click: browsers ask nobody otherwise. */
  static async ask(): Promise<boolean> {
    if (!('Notification' in window)) return false;
    return (await Notification.requestPermission()) === 'granted';
  }

  /** Tells each thing that waits once, and only while the page is not looked at. */
  handle(items: AttentionItem[]): void {
    const news = items.filter(({ id }) => !this.#told.has(id));
    for (const { id } of news) this.#told.add(id);
    if (document.hasFocus() || Notifier.permission !== 'granted') return;
    for (const item of news) this.#show(item);
  }

  #show(item: AttentionItem): void {
    const { key, info } = item.entry;
    const [title, body] = words(item);
    try {
      const shown = new Notification(`${info.label} ${title}`, { body, tag: item.id });
      shown.onclick = () => {
        window.focus();
        this.open(key);
        shown.close();
      };
    } catch {
      // phones want a service worker for it; the queue on the page says the same
    }
  }
}

function words(item: AttentionItem): [string, string] {
  switch (item.kind) {
    case 'prompt':
      return ['asks', item.prompt.title];
    case 'lease':
      return ['is asked for', item.from.name];
    case 'trouble':
      return [item.why, item.entry.info.title ?? item.entry.info.cwd];
  }
}
