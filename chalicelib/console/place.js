// Where this page runs: what the server wrote on <html>, and addresses beside the page's own.
const said = document.documentElement.dataset;

export const stage = said.stage;
export const chain = said.chain;
export const asksForToken = said.auth === 'jwt';
export const restUrl = new URL('.', location.href).href.replace(/\/$/, '');

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

export function websocketUrl() {
  const url = new URL(said.websocket || '/ws', location.href.replace(/^http/, 'ws'));
  // One server by two names: the page's own is the one that the browser calls the same origin.
  if (LOOPBACK.has(url.hostname) && LOOPBACK.has(location.hostname) && url.port === location.port) {
    url.hostname = location.hostname;
  }
  return url.href;
}
