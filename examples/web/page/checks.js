// Conformance: every law and every recorded trace, in both forms of the sort.

import { breathe, byId, element, row, Running } from './dom.js';

const TENSORS = ['param', 'exp_avg', 'exp_avg_sq'];

async function fetchTrace(file) {
  const answer = await fetch(`golden/${file}`);
  if (!answer.ok) throw new Error(`golden/${file}: ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}

/** What is to be checked: `[{name, run}]`. */
async function plan(session, laws, seed) {
  const files = await (await fetch('golden/index.json')).json();
  const tasks = [];
  for (const parallel of [false, true]) {
    laws.forEach(({ name }, number) => tasks.push({ name, run: () => session.law(number, parallel, seed) }));
  }
  for (const file of files) {
    const name = file.replace('.safetensors', '');
    let bytes;
    const load = async () => (bytes ??= await fetchTrace(file));
    for (const parallel of [false, true]) {
      tasks.push({ name, run: async () => session.trace(name, await load(), parallel) });
    }
  }
  return tasks;
}

function line(check) {
  const name = element('span', {}, check.kind === 'trace' ? `PyTorch trace: ${check.name}` : check.name);
  const wrong = check.wrong.map((what) => element('span', { className: 'wrong' }, what));
  const verdict = element('span', { className: check.ok ? 'good' : 'bad' }, check.ok ? 'agrees' : 'differs');
  const distance = (kind) => check.tensors.find((tensor) => tensor.name === kind)?.max_ulp ?? { number: '–' };
  const made = row([element('span', {}, name, ...wrong), check.tuning, verdict, ...TENSORS.map(distance)]);
  made.dataset.ok = check.ok;
  made.dataset.kind = check.kind;
  return made;
}

export async function runChecks(session, laws, results) {
  const running = new Running('checks');
  const body = byId('checks-body');
  body.replaceChildren();
  running.start();
  byId('checks-result').hidden = false;
  const seed = BigInt(byId('checks-seed').value || 0);
  const checks = [];
  const training = {};
  results.conformance = { seed: Number(seed), training, checks };
  try {
    const tasks = await plan(session, laws, seed);
    tasks.push({ name: 'a training of 2,000 steps', run: async () => {
      const [hash, everywhere, check] = JSON.parse(await session.training());
      Object.assign(training, { hash, everywhere });
      return JSON.stringify(check);
    } });
    for (const [at, task] of tasks.entries()) {
      running.show(at / tasks.length, `${at + 1} of ${tasks.length}: ${task.name}`);
      await breathe();
      const check = JSON.parse(await task.run());
      checks.push(check);
      body.append(line(check));
    }
    const failed = checks.filter((check) => !check.ok).length;
    const largest = Math.max(...checks.filter((check) => check.kind !== 'trace').map((check) => Math.max(0, ...check.tensors.map((t) => t.max_ulp))));
    const traces = checks.filter((check) => check.kind === 'trace');
    const within = traces.filter((check) => check.ok).length;
    running.say(
      `${checks.length - failed} of ${checks.length} checks agree. PyTorch traces: ${within} of ${traces.length} within tolerance. `
      + `Largest distance from the CPU: ${largest.toLocaleString('en')} ULP. `
      + `A training of 2,000 steps ended with ${training.hash}${training.hash === training.everywhere ? ', as everywhere' : `; with the same bits it would be ${training.everywhere}`}.`,
      failed === 0,
    );
  } finally {
    running.stop();
  }
}
