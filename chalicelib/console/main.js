// The console's frame: who is signed in, which page is shown, and whether the stream is live.
import { render } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { address } from './address.js';
import { Dialogs } from './dialogs.js';
import { problem, start, stop } from './follow.js';
import { html } from './html.js';
import { followMarkets } from './markets.js';
import { asksForToken, chain, stage } from './place.js';
import { Audit } from './page_audit.js';
import { Health } from './page_health.js';
import { OrderPage } from './page_order.js';
import { Orders } from './page_orders.js';
import { Trade } from './page_trade.js';
import { isSignedIn, refusedToken, signIn, signOut, token } from './session.js';
import { linkState } from './stream.js';
import { ThemeButton } from './theme.js';

const PAGES = [
  ['orders', 'Orders', Orders],
  ['trade', 'Trade', Trade],
  ['health', 'Health', Health],
  ['audit', 'Audit', Audit],
  ['order', null, OrderPage],
];

function SignIn() {
  const onSubmit = (event) => {
    event.preventDefault();
    signIn(new FormData(event.target).get('token'));
  };
  return html`<main class="sign-in">
    <h1>Orderflow</h1>
    <form onSubmit=${onSubmit}>
      <label class="line"
        >Token <input name="token" type="password" required autofocus autocomplete="off" spellcheck=${false}
      /></label>
      <p class="hint">
        It is kept in this page's memory alone, and gone when the page is closed or loaded again.
      </p>
      ${refusedToken.value && html`<p role="alert" class="bad">${refusedToken}</p>`}
      <p class="buttons"><button class="main">Sign in</button></p>
    </form>
  </main>`;
}

const LINKS = { live: 'live', connecting: 'reconnecting…', offline: 'offline' };

function Console() {
  useEffect(() => {
    start();
    const rest = followMarkets();
    return () => {
      rest();
      stop();
    };
  }, [token.value]);
  const { page, id } = address.value;
  const shown = PAGES.find(([name]) => name === page) ?? PAGES[0];
  const isLater = useRef(false);
  useLayoutEffect(() => {
    document.title = `${shown[1] ?? id} · Orderflow ${stage}`;
    // What had the focus is gone with its page: the keyboard, and who listens, go on in the new one.
    // Before it is shown: later, it would be taken from a field that is typed into by then.
    if (isLater.current) document.getElementById('main').focus();
    isLater.current = true;
  }, [page, id]);
  return html`<a
      class="skip"
      href="#main"
      onClick=${(event) => {
        event.preventDefault();
        document.getElementById('main').focus();
      }}
      >To the page</a
    >
    <header>
      <strong class="name">Orderflow</strong>
      <nav aria-label="Pages">
        ${PAGES.filter(([, title]) => title).map(
          ([name, title]) =>
            html`<a key=${name} href=${`#/${name}`} aria-current=${name === shown[0] ? 'page' : undefined}
              >${title}</a
            >`,
        )}
      </nav>
      <span class="where">${stage} · ${chain}</span>
      <span class=${`link ${linkState.value}`} role="status">${LINKS[linkState.value]}</span>
      <${ThemeButton} />
      ${
        asksForToken &&
        html`<button type="button" class="small" onClick=${() => signOut()}>Sign out</button>`
      }
    </header>
    <main id="main" tabindex="-1" class=${`page-${shown[0]}`}>
      ${problem.value && html`<p role="alert" class="banner bad">${problem}</p>`}
      <${shown[2]} key=${id} id=${id} />
    </main>`;
}

const App = () => html`${isSignedIn() ? html`<${Console} />` : html`<${SignIn} />`}<${Dialogs} />`;

const root = document.getElementById('console');
root.replaceChildren();
render(html`<${App} />`, root);
