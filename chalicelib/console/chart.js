// A line chart in the page's own colours. uPlot is loaded when the first chart is.
import { useEffect, useRef } from 'preact/hooks';
import { html } from './html.js';
import { clockTime } from './words.js';

let loaded = null;
const load = () => {
  loaded ??= import('./uplot.mjs').then((module) => module.default);
  return loaded;
};

const colour = (name) => {
  // light-dark() is a colour only where it is used, so it is asked of an element.
  const probe = document.createElement('span');
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};

// data: [x seconds, y…]. lines: [{ value, label, tone }], drawn across at a value of y.
export function Chart({ label, data, series, lines = [], height = 240 }) {
  const place = useRef(null);
  const made = useRef(null);
  const crossing = useRef(lines);
  crossing.current = lines;

  useEffect(() => {
    let isGone = false;
    let watching = null;
    load().then((UPlot) => {
      // The element goes before the clean-up is called.
      if (isGone || place.current === null) return;
      const axis = () => ({
        stroke: () => colour('soft'),
        grid: { stroke: () => colour('line'), width: 1 },
        ticks: { stroke: () => colour('line') },
      });
      made.current = new UPlot(
        {
          width: place.current.clientWidth,
          height,
          cursor: { show: false },
          legend: { show: false },
          scales: { y: { range: (_plot, low, high) => rangeWith(low, high, crossing.current) } },
          axes: [
            { ...axis(), space: 80, values: (_plot, ticks) => timesOf(ticks) },
            { ...axis(), size: 76, values: (_plot, ticks) => labelsOf(ticks) },
          ],
          series: [
            {},
            ...series.map(({ name, tone }) => ({
              label: name,
              stroke: () => colour(tone),
              width: 2,
              points: { show: false },
            })),
          ],
          hooks: { draw: [(plot) => crossing.current.forEach((line) => drawAcross(plot, line))] },
        },
        data,
        place.current,
      );
      watching = new ResizeObserver(([entry]) =>
        made.current?.setSize({ width: entry.contentRect.width, height }),
      );
      watching.observe(place.current);
    });
    return () => {
      isGone = true;
      watching?.disconnect();
      made.current?.destroy();
      made.current = null;
    };
  }, []);
  useEffect(() => {
    made.current?.setData(data);
  }, [data, lines]);

  return html`<div
    class="chart"
    ref=${place}
    role="img"
    aria-label=${label}
    style=${{ height: `${height}px` }}
  ></div>`;
}

// As clocks here show them elsewhere on the page; uPlot would say 10:12am and the month first.
function timesOf(ticks) {
  return ticks.map((tick) => clockTime(tick * 1000));
}

// As many places as tell one tick from the next: the price of some tokens begins at the fifth.
function labelsOf(ticks) {
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1;
  const places = Math.min(20, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  return ticks.map((tick) => tick.toFixed(places));
}

function rangeWith(low, high, lines) {
  if (low === null || high === null) return [0, 1];
  const spread = Math.max(high - low, Math.abs(high) * 0.0005);
  // An order far away would flatten the price: those within a twentieth of it count.
  const near = lines.map((line) => line.value).filter((value) => value > low * 0.95 && value < high * 1.05);
  const [least, most] = [Math.min(low, ...near), Math.max(high, ...near)];
  const margin = Math.max(spread, most - least) / 6; // room for a line's label
  return [least - margin, most + margin];
}

function drawAcross(plot, { value, label, tone }) {
  const y = Math.round(plot.valToPos(value, 'y', true));
  const { left, top, width, height } = plot.bbox;
  if (y < top || y > top + height) return;
  const { ctx } = plot;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour(tone);
  ctx.setLineDash([6, 4]);
  ctx.beginPath();
  ctx.moveTo(left, y);
  ctx.lineTo(left + width, y);
  ctx.stroke();
  ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = 'right';
  ctx.textBaseline = 'bottom';
  ctx.fillText(label, left + width - 4, y - 4);
  ctx.restore();
}
