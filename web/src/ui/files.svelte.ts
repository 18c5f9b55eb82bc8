// Files that a person gives to a session: dropped on its pane, pasted, or chosen.
import type { App } from '../app/app.svelte';
import { hasEnded } from '../state/words';
import type { UploadedFile } from '../wire/generated';
import { newId } from '../wire/id';
import { MAX_ATTACHMENTS } from '../wire/limits';
import { upload } from '../wire/upload';

/** One of them. It is there when it has a `file`, and never will be when it has a `trouble`. */
export interface GivenFile {
  id: string;
  name: string;
  size: number;
  bytes: number;
  file?: UploadedFile;
  trouble?: string;
}

export class Files {
  list = $state.raw<readonly GivenFile[]>([]);
  /** Files are held over the pane. */
  isOver = $state(false);
  isBusy = $derived(this.list.some(({ file, trouble }) => !file && !trouble));
  #landed: ((file: UploadedFile) => void) | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(
    private readonly app: App,
    private readonly key: string,
  ) {}

  /** What is done with each that has arrived, now and from now on; without it they wait in the list. */
  set landed(handle: ((file: UploadedFile) => void) | undefined) {
    this.#landed = handle;
    for (const { id, file } of this.list) if (file) this.#land(id, file);
  }

  /** Why nothing can be given to the session now. */
  get refusal(): string | undefined {
    const info = this.app.session(this.key)?.info;
    if (!info || info.state === 'unreachable') return 'Its machine cannot be seen now.';
    if (!this.app.me?.scopes.includes('drive')) return 'Your credential may only watch.';
    return hasEnded(info) ? 'It has ended.' : undefined;
  }

  /** Sends them, one after the other. */
  add(files: readonly File[]): void {
    const { refusal } = this;
    if (refusal) return this.app.say('bad', `Not uploaded: ${refusal}`);
    const room = MAX_ATTACHMENTS - this.list.length;
    if (files.length > room) this.app.say('bad', `At most ${MAX_ATTACHMENTS} files go at once.`);
    for (const file of files.slice(0, Math.max(0, room))) {
      const given: GivenFile = { id: newId(), name: file.name, size: file.size, bytes: 0 };
      this.list = [...this.list, given];
      this.#last = this.#last.then(() => this.#send(given.id, file));
    }
  }

  remove(id: string): void {
    this.list = this.list.filter((given) => given.id !== id);
  }

  /** Paths of those that are there. */
  get paths(): string[] {
    return this.list.flatMap(({ file }) => (file ? [file.path] : []));
  }

  /** Those that went with a message are not in the list any more. */
  handleSent(paths: readonly string[]): void {
    this.list = this.list.filter(({ file }) => !file || !paths.includes(file.path));
  }

  handleDrag(event: DragEvent): void {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = this.refusal ? 'none' : 'copy';
    this.isOver = true;
  }

  handleLeave(event: DragEvent): void {
    const into = event.relatedTarget;
    if (!(into instanceof Node && event.currentTarget instanceof Node && event.currentTarget.contains(into))) this.isOver = false;
  }

  handleDrop(event: DragEvent): void {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    this.isOver = false;
    const items = [...event.dataTransfer.items].filter(({ kind }) => kind === 'file');
    const isDirectory = (item: DataTransferItem): boolean => item.webkitGetAsEntry()?.isDirectory ?? false;
    if (items.some(isDirectory)) this.app.say('bad', 'Directories are not uploaded; drop the files in them, or an archive.');
    this.add(items.filter((item) => !isDirectory(item)).flatMap((item) => item.getAsFile() ?? []));
  }

  /** Asks for files as the system does. */
  choose(): void {
    const input = document.createElement('input');
    input.type = 'file';
    input.multiple = true;
    input.onchange = () => this.add([...(input.files ?? [])]);
    input.click();
  }

  async #send(id: string, source: File): Promise<void> {
    const entry = this.app.session(this.key);
    // one that was taken out of the list meanwhile is not sent
    if (!entry || !this.list.some((given) => given.id === id)) return;
    try {
      const file = await upload(this.app.link, this.app.target(entry), source, (bytes) => this.#change(id, { bytes }));
      this.#change(id, { file, bytes: source.size });
      this.#land(id, file);
    } catch (error) {
      this.#change(id, { trouble: error instanceof Error ? error.message : String(error) });
    }
  }

  #land(id: string, file: UploadedFile): void {
    if (!this.#landed) return;
    this.remove(id);
    this.#landed(file);
  }

  #change(id: string, what: Partial<GivenFile>): void {
    this.list = this.list.map((given) => (given.id === id ? { ...given, ...what } : given));
  }
}
