// Markdown of agents as safe HTML. What an agent writes is not trusted: no HTML of its own, no images that
// would be fetched, no links but to the web, and everything passes a sanitiser at the end.
import DOMPurify from 'dompurify';
import { Marked, type Tokens } from 'marked';

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const marked = new Marked({
  gfm: true,
  breaks: false,
  renderer: {
    html: ({ text }: Tokens.HTML | Tokens.Tag) => escape(text),
    image: ({ href, text }: Tokens.Image) => `<span>🖼 ${escape(text || href)}</span>`,
    code: ({ text, lang }: Tokens.Code) =>
      `<pre data-lang="${escape(lang?.split(/\s/)[0] ?? '')}"><code>${escape(text)}</code></pre>`,
    checkbox: ({ checked }: Tokens.Checkbox) => (checked ? '☑ ' : '☐ '),
  },
});

const ALLOWED = {
  ALLOWED_TAGS: [
    'a', 'blockquote', 'br', 'code', 'del', 'em', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'li', 'ol', 'p',
    'pre', 'span', 'strong', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul',
  ],
  ALLOWED_ATTR: ['href', 'data-lang', 'start', 'align'],
  ALLOWED_URI_REGEXP: /^https?:/i,
};

const purifier = DOMPurify();
purifier.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName !== 'A') return;
  node.setAttribute('target', '_blank');
  node.setAttribute('rel', 'noopener noreferrer');
});

/** Safe HTML of a whole text. */
export function renderMarkdown(text: string): string {
  return purifier.sanitize(marked.parse(text, { async: false }), ALLOWED);
}

/**
 * A text that grows: blocks that can no longer change are rendered once, and only the last one again.
 * Reference links across blocks are therefore not resolved; agents hardly write them.
 */
export class GrowingMarkdown {
  #text = '';
  #settled = 0;
  #html = '';

  /** The HTML of `text`, which should begin with the text before it; else it begins anew. */
  render(text: string, isDone: boolean): { settled: string; open: string } {
    if (!text.startsWith(this.#text)) {
      this.#settled = 0;
      this.#html = '';
    }
    this.#text = text;
    const blocks = marked.lexer(text.slice(this.#settled));
    const keep = isDone ? 0 : 1;
    const done = blocks.slice(0, Math.max(0, blocks.length - keep));
    const length = done.reduce((sum, { raw }) => sum + raw.length, 0);
    if (length > 0) {
      this.#html += renderMarkdown(text.slice(this.#settled, this.#settled + length));
      this.#settled += length;
    }
    return { settled: this.#html, open: renderMarkdown(text.slice(this.#settled)) };
  }
}
