// The picture that forms, beside its target, and its PSNR.

import { curve } from './charts.js';
import { breathe, byId, Running } from './dom.js';

/** How long a look at the picture may be away, in milliseconds: often enough to feel live. */
const LOOK_MS = 250;
const OPTIONS = { size: 256, splats: 1000, most: 2000, steps: 2000, tiles: 32, seed: 0 };
const GROW_EVERY = 100;
const SHOWN = { shows: 'PSNR in dB', unit: 'steps', digits: { x: 0, y: 2 }, step: 500 };

export class Splats {
  constructor(session, Splatting, results) {
    Object.assign(this, { session, Splatting, results, points: [], steps: 4, going: false });
    this.running = new Running('splats');
    new ResizeObserver(() => this.draw()).observe(byId('splats-chart'));
  }

  /** Fits until all steps are done or `pause` is called; what is done begins anew. */
  async run() {
    this.going = true;
    this.running.start();
    try {
      if (!this.splatting) await this.begin();
      let look = { step: 0 };
      while (this.going && look.step < OPTIONS.steps) {
        look = await this.look();
        await breathe();
      }
      const done = look.step === OPTIONS.steps;
      this.running.say(`${done ? 'Done' : 'Paused'} after ${look.step.toLocaleString('en')} steps: ${look.psnr.toFixed(2)} dB with ${look.splats.toLocaleString('en')} splats.`);
      if (done) this.end();
    } finally {
      this.going = false;
      this.running.stop();
    }
  }

  pause() {
    this.going = false;
  }

  async begin() {
    this.running.show(0, 'drawing the target');
    await breathe();
    const grow_every = byId('splats-grow').checked ? GROW_EVERY : 0;
    const options = { ...OPTIONS, grow_every };
    this.splatting = new this.Splatting(this.session, JSON.stringify(options));
    this.points = [];
    this.again = undefined;
    this.results.splats = { ...options, curve: this.points };
    byId('splats-grow').disabled = true;
    byId('splats-figure').hidden = false;
    this.paint('splats-target');
  }

  end() {
    this.splatting.free();
    this.splatting = undefined;
    this.again = 'Fit it again';
    byId('splats-grow').disabled = false;
  }

  async look() {
    const start = performance.now();
    const look = JSON.parse(await this.splatting.look(this.steps));
    this.steps = Math.max(1, Math.min(100, Math.round((this.steps * LOOK_MS) / (performance.now() - start))));
    this.points.push([look.step, look.psnr]);
    this.paint('splats-drawn');
    this.draw();
    Object.assign(byId('splats-figure').dataset, look);
    this.running.show(look.step / OPTIONS.steps, `step ${look.step.toLocaleString('en')}, ${look.psnr.toFixed(2)} dB, ${look.splats.toLocaleString('en')} splats`);
    return look;
  }

  /** Shows the pixels that were drawn last. */
  paint(id) {
    const canvas = byId(id);
    const { size } = OPTIONS;
    if (canvas.width !== size) [canvas.width, canvas.height] = [size, size];
    const pixels = new Uint8ClampedArray(this.splatting.pixels());
    canvas.getContext('2d').putImageData(new ImageData(pixels, size, size), 0, 0);
  }

  draw() {
    if (this.points.length > 0) curve(byId('splats-chart'), this.points, OPTIONS.steps, SHOWN);
  }
}
