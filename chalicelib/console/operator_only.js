import { html } from './html.js';

export const NotForYou = () =>
  html`<p role="alert" class="banner">
    This page is for operators: it needs a token with the scope <code>orderflow:operator</code>, since it
    shows what is of all accounts.
  </p>`;
