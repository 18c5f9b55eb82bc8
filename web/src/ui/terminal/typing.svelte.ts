// From keys, pastes and the phone's key row to the program: guarded where many lines come at once, and
// refused with an offer where this client does not own the session.
import { pasteBytes, type PasteRisk, pasteRisk, withoutControl } from '../../state/text';
import { withControl } from './sequences';

/** What typing needs to know of its terminal. */
export interface Program {
  /** Sends bytes; false when they were not taken. */
  send(bytes: Uint8Array): boolean;
  /** Why nothing is taken: somebody else owns it, too much waits, or it has ended. */
  refusal(): 'not_owner' | 'full' | 'ended';
  /** Whether the program guards pastes itself. */
  hasBracketedPaste(): boolean;
  full(): void;
}

export class Typing {
  /** The person typed where somebody else owns: taking over is offered. */
  wantsToType = $state(false);
  /** The next key of the phone's keyboard is one with Ctrl. */
  ctrlArmed = $state(false);
  /** A paste that is asked about. */
  risk = $state.raw<{ text: string; risk: PasteRisk }>();

  constructor(private readonly program: Program) {}

  /** What xterm says was typed. */
  handleTyped(bytes: Uint8Array): void {
    const control = this.ctrlArmed && bytes.length === 1 ? withControl(String.fromCharCode(bytes[0] ?? 0)) : undefined;
    this.ctrlArmed = false;
    if (control === undefined) this.#send(bytes);
    else this.type(control);
  }

  type(text: string): void {
    this.#send(new TextEncoder().encode(text));
  }

  handlePaste(event: ClipboardEvent): void {
    event.preventDefault();
    event.stopPropagation();
    const text = event.clipboardData?.getData('text/plain');
    if (!text) return;
    const risk = pasteRisk(text, this.program.hasBracketedPaste());
    if (risk) this.risk = { text, risk };
    else this.#paste(text);
  }

  /** The person has seen what would be pasted. */
  confirmPaste(how: 'as_it_is' | 'without_control'): void {
    if (!this.risk) return;
    const { text } = this.risk;
    this.risk = undefined;
    this.#paste(how === 'without_control' ? withoutControl(text) : text);
  }

  #paste(text: string): void {
    this.type(pasteBytes(text, this.program.hasBracketedPaste()));
  }

  #send(bytes: Uint8Array): void {
    if (this.program.send(bytes)) return;
    switch (this.program.refusal()) {
      case 'not_owner':
        this.wantsToType = true;
        break;
      case 'full':
        this.program.full();
        break;
      case 'ended':
        break;
    }
  }
}
