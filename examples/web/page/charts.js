// Charts, drawn by hand: few enough points that nothing more is needed.

import { element } from './dom.js';

const SVG = 'http://www.w3.org/2000/svg';

function draw(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** A share of a whole as text, with a decimal where it is small. */
export const percentage = (share) => `${(100 * share).toFixed(share < 0.095 ? 1 : 0)} %`;

/** Horizontal bars: `[{label, share}]`, share of a whole in 0..; the longest fits. */
export function bars(into, entries) {
  const most = Math.max(1, ...entries.map((entry) => entry.share));
  const cells = entries.flatMap(({ label, share }) => {
    const bar = element('div', { className: 'bar' });
    bar.style.width = `${(100 * share) / most}%`;
    const track = element('div', { className: 'track' }, bar);
    return [element('div', {}, label), track, element('div', { className: 'number' }, percentage(share))];
  });
  const box = element('div', { className: 'bars' }, ...cells);
  // The table beside it says the same in words.
  box.setAttribute('role', 'img');
  box.setAttribute('aria-label', entries.map(({ label, share }) => `${label}: ${percentage(share)}`).join(', '));
  into.replaceChildren(box);
}

/** A curve of `[x, y]` from x = 0 to `end`, y > 0, on a logarithmic axis; what it shows, and against how many of what. */
export function curve(into, points, end, { shows, unit, digits, step = Math.max(1, Math.ceil(end / 10)) }) {
  // As wide as it is shown, so that its text has the size of all small text.
  const width = Math.max(280, into.clientWidth);
  const [height, left, bottom, top] = [240, 44, 40, 8];
  const values = points.map((point) => point[1]);
  const [low, high] = [Math.min(...values) * 0.9, Math.max(...values) * 1.1];
  const x = (value) => left + ((width - left - 8) * value) / end;
  const y = (value) => top + ((height - top - bottom) * Math.log(high / value)) / Math.log(high / low);
  const last = points[points.length - 1];
  const label = `${shows}, now ${last[1].toFixed(digits.y)} after ${last[0].toFixed(digits.x)} ${unit}`;
  const chart = draw('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label });
  for (const tick of ticks(low, high)) {
    chart.append(draw('line', { class: 'grid', x1: left, x2: width - 8, y1: y(tick), y2: y(tick) }));
    chart.append(draw('text', { x: left - 6, y: y(tick) + 4, 'text-anchor': 'end' }, String(tick)));
  }
  for (let at = 0; at <= end; at += step) {
    chart.append(draw('text', { x: x(at), y: height - bottom + 16, 'text-anchor': at === end ? 'end' : 'middle' }, String(at)));
  }
  chart.append(draw('text', { x: (left + width) / 2, y: height - 6, 'text-anchor': 'middle' }, unit));
  const path = points.map((point) => `${x(point[0]).toFixed(1)},${y(point[1]).toFixed(1)}`).join(' ');
  chart.append(draw('polyline', { class: 'line', points: path }));
  into.replaceChildren(chart);
}

/** Round numbers between two values: 1, 2 and 5 times powers of ten, more where they are near. */
function ticks(low, high) {
  const found = [];
  const digits = high / low > 8 ? [1, 2, 5] : [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const digit of digits) {
      const tick = Number((digit * 10 ** power).toPrecision(2));
      if (tick >= low && tick <= high) found.push(tick);
    }
  }
  return found;
}
