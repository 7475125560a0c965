// Requests to the REST API. The token lives in this module's memory and nowhere else.
import { signal } from '@preact/signals';
import { noteDate } from './clock.js';
import { asksForToken, restUrl } from './place.js';

export const token = signal(null);
export const refusedToken = signal('');

export const isSignedIn = () => !asksForToken || token.value !== null;

const SIGNED_OUT = 'SIGNED_OUT';
// API Gateway answers within 29 s, if only with an error; a network that went away without a word never does.
const ANSWER_WITHIN_MS = 35_000;

export class ApiError extends Error {
  // `againAfterMs`: how long the server asks to wait before the same request, null if it does not say.
  constructor(status, body, againAfterMs = null) {
    super(body.message || `the server answered ${status}`);
    this.status = status;
    this.againAfterMs = againAfterMs;
    this.code = body.code || '';
    this.details = body.details || [];
    this.orderId = body.orderId || null;
  }

  // Nothing is known of whether it was done, as after an answer that cannot be read; all else was refused.
  get isUnknown() {
    return this.status < 400 || this.code === 'OUTCOME_UNKNOWN';
  }

  // The same request may succeed in a moment.
  get mayPass() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  // The page belongs to another account by now, or to none.
  get isOfAnother() {
    return this.code === SIGNED_OUT;
  }

  // The token is good, and not for this.
  get isForbidden() {
    return this.code === 'FORBIDDEN';
  }

  // The server is of a release, or on a gateway, that has no such route.
  get isMissingRoute() {
    return (this.code === '' && (this.status === 403 || this.status === 404)) || this.status === 405;
  }
}

export const signedOut = () => new ApiError(0, { code: SIGNED_OUT, message: 'signed out meanwhile' });

// What a token is made of: anything else the browser would take for no WebSocket subprotocol.
const TOKEN = /^[\w.-]+$/;

// What modules keep of an account, such as a form that it has begun, is forgotten by what they give here.
const keepers = [];
let keptOf = null; // the account
export const onLeaving = (forget) => keepers.push(forget);

function leave() {
  keptOf = null;
  keepers.forEach((forget) => forget());
}

export function signIn(text) {
  const given = text.trim().replace(/^Bearer\s+/i, '');
  if (TOKEN.test(given)) {
    if (keptOf !== null && keptOf !== accountOf(given)) leave();
    keptOf = accountOf(given);
    refusedToken.value = '';
    token.value = given;
  } else refusedToken.value = 'This is no token: letters, digits, dots and dashes, without spaces.';
}

export function signOut() {
  refusedToken.value = '';
  token.value = null;
  leave();
}

// Who comes back with another token finds the page as it was.
function expire() {
  refusedToken.value = 'The token was refused: it is wrong or has expired.';
  token.value = null;
}

// Whose token it is, by its own words; of one that says nothing, the token itself.
function accountOf(given) {
  try {
    const [, claims] = given.split('.');
    return JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/'))).sub;
  } catch {
    return given;
  }
}

export const account = () => accountOf(token.value);

export async function ask(path, { method = 'GET', body, signal: stop } = {}) {
  const headers = {};
  const mine = token.value;
  if (!isSignedIn()) throw signedOut();
  if (mine !== null) headers.Authorization = `Bearer ${mine}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let response;
  let text;
  const askedMs = Date.now();
  try {
    response = await fetch(restUrl + path, {
      method,
      headers,
      signal: AbortSignal.any([AbortSignal.timeout(ANSWER_WITHIN_MS), ...(stop ? [stop] : [])]),
      cache: 'no-store',
      credentials: 'omit',
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    noteDate(response.headers.get('Date'), askedMs, Date.now());
    // It may break off after its head.
    text = await response.text();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, { message: 'the server did not answer' });
  }
  // An answer that comes after its account has left is shown to no other, nor does its 401 sign another out.
  if (token.value !== mine) throw signedOut();
  let answer = {};
  try {
    answer = text ? JSON.parse(text) : {};
  } catch {
    throw new ApiError(response.status, {
      message: `the server answered ${response.status} and no JSON`,
    });
  }
  if (response.ok) return answer;
  if (response.status === 401 && asksForToken) expire();
  throw new ApiError(response.status, answer, againAfterMs(response.headers.get('Retry-After')));
}

const againAfterMs = (header) => (/^\d{1,5}$/.test(header) ? Number(header) * 1000 : null);
