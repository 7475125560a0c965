// The server's time: ages are of its moments, and the clock of this machine may be wrong.
let aheadMs = 0;

export const serverNow = () => Date.now() + aheadMs;

// Takes the `Date` of an answer, in whole seconds, and between which moments here it was asked for. A clock
// that agrees with it is left alone.
export function noteDate(header, askedMs, answeredMs) {
  const saidMs = Date.parse(header);
  if (Number.isNaN(saidMs)) return;
  aheadMs = Math.min(Math.max(aheadMs, saidMs - answeredMs), saidMs + 1000 - askedMs);
}
