// Where the page begins: find a credential, or ask for one; then start.
import { mount, unmount } from 'svelte';
import { App } from './app/app.svelte';
import { clientName } from './app/names';
import { appState } from './app/offline';
import { forgetCredential, keepCredential, loadCredential, tabTickets } from './app/storage';
import Main from './ui/Main.svelte';
import Login from './ui/Login.svelte';
import './ui/theme.css';
import { type Credential, deviceCredential, enrol, tokenCredential, WebDoor } from './wire/door';

const target = document.getElementById('app') ?? document.body;

let shown: App | undefined;

void begin();
// a link that is opened where the page is open already changes the fragment only
window.addEventListener('hashchange', () => {
  if (inFragment('login')) location.reload();
  else if (shown) openFromLink(shown);
});

async function begin(): Promise<void> {
  const { credential, why } = await credentialFromLink();
  const known = credential ?? (await loadCredential());
  if (known) await show(known);
  else askFor(why);
}

/** A one-time link carries its code in the fragment, which no server sees; it is gone from the bar at once. */
async function credentialFromLink(): Promise<{ credential?: Credential; why?: string }> {
  const code = inFragment('login');
  if (!code) return {};
  history.replaceState(null, '', location.pathname);
  try {
    const { device, key } = await enrol(code, clientName());
    await keepCredential({ kind: 'device', device, key });
    // where the browser keeps nothing, the login lasts as long as the page
    return { credential: deviceCredential(device, key) };
  } catch (error) {
    return { why: `The link did not work: ${error instanceof Error ? error.message : String(error)}.` };
  }
}

/** A message outside the page leads to the session that it is about. */
function openFromLink(app: App): void {
  const session = inFragment('session');
  if (!session) return;
  history.replaceState(null, '', location.pathname);
  app.open(session);
}

function inFragment(name: string): string | null {
  return new URLSearchParams(location.hash.slice(1)).get(name);
}

async function show(credential: Credential): Promise<void> {
  const app = new App(new WebDoor(credential), await tabTickets());
  const logOut = async (why?: string): Promise<void> => {
    app.link.stop();
    shown = undefined;
    await forgetCredential();
    await unmount(page);
    askFor(why);
  };
  const page = mount(Main, { target, props: { app, logOut } });
  app.start();
  shown = app;
  openFromLink(app);
  void appState();
}

function askFor(why?: string): void {
  const enter = async (token: string, keep: boolean): Promise<void> => {
    if (keep) await keepCredential({ kind: 'token', token });
    await unmount(page);
    await show(tokenCredential(token));
  };
  const page = mount(Login, { target, props: { why, onenter: (token: string, keep: boolean) => void enter(token, keep) } });
}
