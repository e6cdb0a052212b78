// Live training, its curve, and the search.

import { curve } from './charts.js';
import { breathe, byId, element, Running } from './dom.js';

/** How long a look at the loss may be away, in milliseconds: often enough to feel live. */
const LOOK_MS = 400;
const SHOWN = { shows: 'Loss', unit: 'epochs', digits: { x: 2, y: 3 } };
const MODEL = { dim: 32, batch: 4096, negatives: 10, seed: 0 };

export class Training {
  constructor(session, Trainer, results) {
    Object.assign(this, { session, Trainer, results, points: [], batches: 2, going: false });
    this.running = new Running('train');
    byId('search').addEventListener('submit', (event) => {
      event.preventDefault();
      this.search();
    });
    byId('search-word').addEventListener('input', () => this.suggest());
    new ResizeObserver(() => this.draw()).observe(byId('train-chart'));
  }

  /** Trains until the epochs are done or `pause` is called. */
  async run() {
    this.going = true;
    this.running.start();
    try {
      await this.begin();
      const end = Number(byId('train-epochs').value);
      let look = { epochs: 0 };
      while (this.going && look.epochs < end) {
        look = await this.look(end);
        await breathe();
      }
      const loss = this.points.at(-1)[1].toFixed(3);
      this.running.say(`${this.going ? 'Done' : 'Paused'} after ${look.epochs.toFixed(2)} epochs: loss ${loss}.`);
    } finally {
      this.going = false;
      this.running.stop();
    }
  }

  pause() {
    this.going = false;
  }

  async begin() {
    if (this.trainer) return;
    this.running.show(0, 'loading the nouns');
    await breathe();
    const options = { ...MODEL, lr: Number(byId('train-lr').value), preset: byId('train-preset').value };
    this.trainer = new this.Trainer(this.session, JSON.stringify(options));
    byId('train-lr').disabled = true;
    byId('train-preset').disabled = true;
    this.results.training = { ...options, curve: this.points };
    byId('search').hidden = false;
    byId('train-figure').hidden = false;
  }

  async look(end) {
    const start = performance.now();
    const look = JSON.parse(await this.turn(() => this.trainer.look(this.batches)));
    const took = performance.now() - start;
    this.batches = Math.max(1, Math.min(200, Math.round((this.batches * LOOK_MS) / took)));
    this.points.push([look.epochs, look.loss]);
    this.draw();
    const rate = `${(look.pairs_per_second / 1000).toFixed(0)}k pairs/s`;
    this.running.show(look.epochs / end, `epoch ${(Math.floor(look.epochs) + 1)}, step ${look.steps.toLocaleString('en')}, loss ${look.loss.toFixed(3)}, ${rate}`);
    return look;
  }

  draw() {
    const [epochs] = this.points.at(-1) ?? [];
    if (epochs === undefined) return;
    curve(byId('train-chart'), this.points, Math.max(Number(byId('train-epochs').value), Math.ceil(epochs)), SHOWN);
  }

  /** The trainer does one thing at a time: training and searching take turns. */
  turn(work) {
    const next = (this.last ?? Promise.resolve()).then(work);
    this.last = next.catch(() => {});
    return next;
  }

  async search() {
    const word = byId('search-word').value;
    const found = JSON.parse(await this.turn(() => this.trainer.neighbours(word.toLowerCase(), 10)));
    const box = byId('search-result');
    if (!found) {
      box.replaceChildren(element('p', {}, `WordNet has no noun “${word}”.`));
      return;
    }
    const kind = found.kind_of ? ` (a kind of ${found.kind_of})` : '';
    const title = element('p', {}, `Nearest to ${found.lemma}${kind}:`);
    box.replaceChildren(title, element('ol', {}, ...found.near.map((lemma) => element('li', {}, lemma))));
  }

  suggest() {
    const start = byId('search-word').value.trim().toLowerCase();
    const words = start.length < 2 ? [] : JSON.parse(this.Trainer.suggest(start, 8));
    byId('search-words').replaceChildren(...words.map((value) => element('option', { value })));
  }
}
