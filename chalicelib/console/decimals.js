// Decimal strings as the wire has them, compared and scaled exactly: an amount never becomes a float.

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

// Returns {units, scale} of a decimal string: units / 10 ** scale; null of anything else.
export function parsed(text) {
  const found = DECIMAL.exec(text ?? '');
  if (!found) return null;
  const [, sign, whole, part = ''] = found;
  const units = BigInt(whole + part);
  return { units: sign ? -units : units, scale: part.length };
}

function aligned(one, other) {
  const scale = Math.max(one.scale, other.scale);
  return [one.units * 10n ** BigInt(scale - one.scale), other.units * 10n ** BigInt(scale - other.scale)];
}

// How far `to` is from `from`, in hundredths of a percent, rounded towards zero; null if unknown.
export function distanceBps(from, to) {
  const one = parsed(from);
  const other = parsed(to);
  if (!one || !other || one.units <= 0n) return null;
  const [start, end] = aligned(one, other);
  return Number(((end - start) * 10_000n) / start);
}

// The same where `to` is the price of the other token: from the inverse of `from`.
export function distanceFromInverseBps(from, to) {
  const one = parsed(from);
  const other = parsed(to);
  if (!one || !other || one.units <= 0n) return null;
  return Number((one.units * other.units * 10_000n) / 10n ** BigInt(one.scale + other.scale)) - 10_000;
}

export function difference(one, other) {
  const first = parsed(one);
  const second = parsed(other);
  if (!first || !second) return null;
  const [a, b] = aligned(first, second);
  return formatted(a - b, Math.max(first.scale, second.scale));
}

// Returns text times a whole number over another, rounded down: for an amount's halves and doubles.
export function scaled(text, times, over, scale) {
  const value = parsed(text);
  if (!value) return null;
  const units =
    (value.units * BigInt(times) * 10n ** BigInt(scale)) / (BigInt(over) * 10n ** BigInt(value.scale));
  return formatted(units, scale);
}

// Returns a decimal rounded to so many places, for reading alone; anything else as it is.
export function rounded(text, places) {
  const value = parsed(text);
  if (!value || value.scale <= places) return text;
  const step = 10n ** BigInt(value.scale - places);
  const half = value.units < 0n ? -step / 2n : step / 2n;
  return formatted((value.units + half) / step, places);
}

export function formatted(units, scale) {
  const sign = units < 0n ? '-' : '';
  const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0');
  const part = scale ? digits.slice(-scale).replace(/0+$/, '') : '';
  return sign + (scale ? digits.slice(0, -scale) : digits) + (part ? `.${part}` : '');
}

// For pictures alone: a float that places a mark on an axis.
export const onAxis = (text) => (parsed(text) ? Number(text) : null);
