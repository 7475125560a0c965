// A route as a picture: the legs of each hop stacked, as high as their share.
import { html } from './html.js';

const WIDTH = 720;
const NODE = 64;
const FULL = 120;
const LEAST = 20;
const GAP = 4;

export function RouteDrawing({ legs, inputToken, outputToken }) {
  const middles = [
    ...new Set(legs.filter((leg) => leg.outputToken !== outputToken).map((leg) => leg.outputToken)),
  ];
  // Every path is one band from left to right: the direct one, and one for each token on the way.
  const bands = [
    [legs.filter((leg) => leg.inputToken === inputToken && leg.outputToken === outputToken)],
    ...middles.map((middle) => [
      legs.filter((leg) => leg.inputToken === inputToken && leg.outputToken === middle),
      legs.filter((leg) => leg.inputToken === middle && leg.outputToken === outputToken),
    ]),
  ].filter((hops) => hops[0].length);
  let y = 6;
  const drawn = bands.map((hops) => {
    const height = Math.max(...hops.map(heightOf));
    const top = y;
    y += height + 12;
    return { hops, top, height, middle: hops.length > 1 ? hops[0][0].outputToken : null };
  });
  const said = legs
    .map((leg) => `${percentOf(leg)} of ${leg.inputToken} to ${leg.outputToken} by ${leg.pool}`)
    .join(', ');
  return html`<svg class="route" viewBox=${`0 0 ${WIDTH} ${y}`} role="img" aria-label=${`Route: ${said}`}>
    <${Node} x=${0} height=${y - 12} text=${inputToken} />
    ${drawn.map(
      ({ hops, top, height, middle }) =>
        html`${hops.map(
          (hop, index) =>
            html`<${Hop}
              legs=${hop}
              top=${top}
              left=${index ? WIDTH / 2 + NODE / 2 + GAP : NODE + GAP}
              right=${index || hops.length === 1 ? WIDTH - NODE - GAP : WIDTH / 2 - NODE / 2 - GAP}
            />`,
        )}
        ${middle && html`<${Node} x=${WIDTH / 2 - NODE / 2} y=${top} height=${height} text=${middle} />`}`,
    )}
    <${Node} x=${WIDTH - NODE} height=${y - 12} text=${outputToken} />
  </svg>`;
}

const legHeight = (leg) => Math.max(LEAST, (FULL * leg.shareBps) / 10_000);
const heightOf = (hop) => hop.reduce((sum, leg) => sum + legHeight(leg) + GAP, -GAP);
const percentOf = (leg) => `${(leg.shareBps / 100).toFixed(2).replace(/\.?0+$/, '')} %`;

const Node = ({ x, y = 6, height, text }) =>
  html`<g class="node"
    ><rect x=${x} y=${y} width=${NODE} height=${Math.max(height - (y === 6 ? 6 : 0), LEAST)} rx="6" />
    <text
      x=${x + NODE / 2}
      y=${y + Math.max(height - (y === 6 ? 6 : 0), LEAST) / 2}
      dy=".35em"
      text-anchor="middle"
      >${text}</text
    ></g
  >`;

function Hop({ legs, top, left, right }) {
  let y = top;
  const room = Math.floor((right - left - 74) / 7.4);
  return legs.map((leg) => {
    const height = legHeight(leg);
    const at = y;
    y += height + GAP;
    const name = leg.pool.length > room ? `${leg.pool.slice(0, room - 1)}…` : leg.pool;
    return html`<g class=${`leg venue-${venueNumber(leg.venue)}`}>
      <rect x=${left} y=${at} width=${right - left} height=${height} rx="3"
        ><title>
          ${`${leg.pool}: ${leg.inputAmount} ${leg.inputToken} → ${leg.outputAmount} ${leg.outputToken}`}
        </title></rect
      >
      <text x=${left + 8} y=${at + height / 2} dy=".35em">${name}</text>
      <text x=${right - 8} y=${at + height / 2} dy=".35em" text-anchor="end">${percentOf(leg)}</text></g
    >`;
  });
}

const seen = [];
// Colours by the order in which venues were first seen: a name never becomes part of a style.
function venueNumber(venue) {
  if (!seen.includes(venue)) seen.push(venue);
  return seen.indexOf(venue) % 4;
}
