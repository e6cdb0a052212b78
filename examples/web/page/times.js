// The benchmark's cases, its table and its bars.

import { bars, percentage } from './charts.js';
import { breathe, byId, element, row, Running } from './dom.js';

const SIZES = {
  tiny: { rows: 10_000, dim: 32, nnz: [512, 4_096], copy: 16 << 20 },
  small: { rows: 100_000, dim: 64, nnz: [1_024, 65_536], copy: 32 << 20 },
  large: { rows: 500_000, dim: 64, nnz: [1_024, 65_536, 262_144], copy: 128 << 20 },
};

function cases({ rows, dim, nnz }) {
  const least = { rows, dim, nnz: nnz[0], distribution: 'uniform' };
  const most = nnz.slice(1).flatMap((count) => ['unique', 'uniform', 'zipf', 'hot'].map((distribution) => ({ rows, dim, nnz: count, distribution })));
  return [least, ...most];
}

function line(timed) {
  const verdict = element('span', { className: timed.ok ? 'good' : 'bad' }, timed.ok ? 'agrees' : 'differs');
  const digits = (value, count) => ({ number: value.toFixed(count) });
  const made = row([
    timed.distribution, timed.nnz, digits(timed.step_ms_median, 3), digits(timed.step_ms_min, 3),
    digits(timed.gbps, 1), { number: percentage(timed.fraction_of_copy) }, verdict,
  ]);
  made.dataset.ok = timed.ok;
  return made;
}

export async function runTimes(session, results) {
  const running = new Running('times');
  const size = SIZES[byId('times-size').value];
  const body = byId('times-body');
  body.replaceChildren();
  running.start();
  byId('times-result').hidden = false;
  const timed = [];
  try {
    running.show(0, 'buffer copy');
    await breathe();
    const copy = await session.copy_bandwidth(BigInt(size.copy));
    results.benchmark = { copy_gbps: copy, cases: timed };
    const planned = cases(size);
    for (const [at, planned_case] of planned.entries()) {
      running.show((at + 1) / (planned.length + 1), `${planned_case.distribution}, ${planned_case.nnz.toLocaleString('en')} entries`);
      await breathe();
      const result = JSON.parse(await session.benchmark(JSON.stringify(planned_case), copy));
      timed.push(result);
      body.append(line(result));
      byId('times-figure').hidden = false;
      bars(byId('times-chart'), timed.map((each) => ({ label: `${each.distribution}, ${each.nnz.toLocaleString('en')}`, share: each.fraction_of_copy })));
    }
    const wrong = timed.filter((each) => !each.ok).length;
    const best = Math.max(...timed.map((each) => each.fraction_of_copy));
    running.say(
      wrong === 0
        ? `Copy: ${copy.toFixed(1)} GB/s. Best step: ${percentage(best)} of it.`
        : `${wrong} of ${timed.length} cases differ from the CPU; their times mean nothing.`,
      wrong === 0 ? undefined : false,
    );
  } finally {
    running.stop();
  }
}
