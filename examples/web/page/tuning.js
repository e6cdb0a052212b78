// The search for the adapter's fastest tuning, and what it timed.

import { breathe, byId, element, row, Running } from './dom.js';

/** Names of the numbers in which two tunings differ, each with both. */
function changes(found, built_in) {
  const differ = Object.keys(found).filter((name) => found[name] !== built_in[name]);
  return differ.map((name) => `${name} ${built_in[name]} to ${found[name]}`);
}

/** How many times as fast as the built-in tuning the last race, over all steps, found the chosen one; null where there was none. */
function gain(evidence) {
  const all = evidence.filter((each) => each.field === 'all' && each.us && each.default_us);
  if (all.length === 0) return null;
  return Math.exp(all.reduce((sum, each) => sum + Math.log(each.default_us / each.us), 0) / all.length);
}

function line({ field, candidate, workload, us, default_us, bits }) {
  const digits = (value) => ({ number: value == null ? '' : value.toFixed(1) });
  const same = element('span', { className: bits === 'same' ? 'good' : 'bad' }, bits);
  const made = row([field, candidate, workload, digits(us), digits(default_us), same]);
  made.dataset.bits = bits;
  return made;
}

function verdict(tuned, built_in) {
  const differ = changes(tuned.tuning, built_in);
  const seconds = `${(tuned.spent_ms / 1000).toFixed(0)} s`;
  if (differ.length === 0) return `The built-in numbers stay: nothing was 3 % faster in ${seconds}.`;
  const times = gain(tuned.evidence);
  return `${differ.join(', ')}${times ? `: ${times.toFixed(2)} times as fast` : ''}, found in ${seconds}.`;
}

export async function runTuning(session, results) {
  const running = new Running('tune');
  const seconds = Math.min(600, Math.max(1, Number(byId('tune-seconds').value) || 30));
  running.start();
  // It does not say how far it is.
  running.bar.removeAttribute('value');
  running.text.textContent = `timing candidates for ${seconds} seconds`;
  try {
    await breathe();
    const [tuned, built_in] = JSON.parse(await session.tune(seconds));
    results.tuned = tuned;
    byId('tune-body').replaceChildren(...tuned.evidence.map(line));
    byId('tune-result').hidden = tuned.evidence.length === 0;
    const different = tuned.evidence.filter((each) => each.bits === 'different').length;
    running.say(
      different === 0 ? verdict(tuned, built_in) : `${different} candidates have other bits: please report the results below.`,
      different === 0 ? undefined : false,
    );
  } finally {
    running.stop();
  }
}
