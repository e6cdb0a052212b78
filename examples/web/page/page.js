// Opens the adapter, names it, and ties the buttons to what they do.

import { runChecks } from './checks.js';
import { byId, row } from './dom.js';
import { Splats } from './splats.js';
import { runTimes } from './times.js';
import { Training } from './training.js';
import { runTuning } from './tuning.js';

const results = { page: 'sparse-adam', browser: navigator.userAgent };

function missing(reason, remedy) {
  byId('missing-reason').textContent = reason;
  byId('missing-remedy').textContent = remedy;
  byId('missing').hidden = false;
  byId('adapter-name').textContent = 'None.';
}

/** The browser's adapter, or null after saying what is missing. */
async function findAdapter() {
  if (!window.isSecureContext) {
    missing('Browsers offer WebGPU only to pages from https or from this machine.', 'Open the page by https, or serve it on localhost.');
    return null;
  }
  if (!navigator.gpu) {
    missing('This browser has no WebGPU, or it is switched off.', 'Chrome and Edge 113, Safari 26 and Firefox 141 and later have it, on most systems; on Linux it may need a flag.');
    return null;
  }
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) missing('This browser has WebGPU, but found no GPU that it would use.', 'Its page about GPUs (chrome://gpu, about:support) says why: often an old driver, or a virtual machine.');
  return adapter;
}

function showAdapter(info, described) {
  const parts = [info.vendor, info.architecture, info.description || info.device].filter(Boolean);
  const name = parts.length > 0 ? parts.join(', ') : described.name || 'A GPU that the browser does not name';
  const held = described.class === 'same bits'
    ? 'same bits as the CPU, by what its arithmetic does'
    : 'within 1e-6 + 2e-6 |x| of the CPU, by what its arithmetic does';
  byId('adapter-name').textContent = `${name} (${held})`;
  byId('limits-body').replaceChildren(...described.limits.map(([limit, value]) => row([limit, value])));
  byId('limits').hidden = false;
  results.adapter = { ...described, browser_info: { vendor: info.vendor, architecture: info.architecture, device: info.device, description: info.description } };
}

function download() {
  const blob = new Blob([JSON.stringify(results, null, 1)], { type: 'application/json' });
  const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: 'sparse-adam-results.json' });
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Buttons that use the GPU: one at a time, or times would mean nothing. */
const BUTTONS = ['splats-run', 'checks-run', 'times-run', 'tune-run', 'train-run'].map(byId);

async function alone(work, verdict) {
  BUTTONS.forEach((button) => { button.disabled = true; });
  try {
    await work();
  } catch (error) {
    byId(verdict).textContent = `It stopped: ${error.message ?? error}`;
    byId(verdict).classList.add('bad');
    console.error(error);
  } finally {
    BUTTONS.forEach((button) => { button.disabled = false; });
    byId('save').disabled = false;
  }
}

/** A button that starts something, pauses it while it goes, and lets it go on. */
function startAndPause(name, work) {
  const button = byId(`${name}-run`);
  button.addEventListener('click', () => {
    if (work.going) {
      work.pause();
      return;
    }
    const done = alone(() => work.run(), `${name}-verdict`);
    // While it works, the button pauses.
    button.disabled = false;
    button.textContent = 'Pause';
    done.finally(() => { button.textContent = work.again ?? 'Go on'; });
  });
}

async function open() {
  const adapter = await findAdapter();
  if (!adapter) return;
  const { default: load, Session, Splatting, Trainer } = await import('./sparse_adam_web.js');
  await load({ module_or_path: new URL('sparse_adam_web_bg.wasm', import.meta.url) });
  const session = await Session.open();
  const described = JSON.parse(session.adapter());
  showAdapter(adapter.info ?? {}, described);
  byId('times-size').value = described.software ? 'small' : 'large';
  const laws = JSON.parse(Session.laws());
  byId('checks-run').addEventListener('click', () => alone(() => runChecks(session, laws, results), 'checks-verdict'));
  byId('times-run').addEventListener('click', () => alone(() => runTimes(session, results), 'times-verdict'));
  byId('tune-run').addEventListener('click', () => alone(() => runTuning(session, results), 'tune-verdict'));
  byId('train-preset').replaceChildren(...JSON.parse(Session.presets()).map((name) => new Option(name)));
  startAndPause('splats', new Splats(session, Splatting, results));
  startAndPause('train', new Training(session, Trainer, results));
  byId('save').addEventListener('click', download);
  document.querySelectorAll('.needs-gpu').forEach((section) => { section.hidden = false; });
  document.body.dataset.ready = 'true';
}

open().catch((error) => {
  missing(`The adapter could not be opened: ${error.message ?? error}`, 'Reload the page; if it stays, the browser’s console says more.');
  console.error(error);
});
