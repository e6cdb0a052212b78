// The page in a real browser: clicks what a person would click, and looks at what it says.
//
//   node browser.mjs PAGE_FOLDER CHROMIUM SCREENSHOT_FOLDER REPORT.json
//
// playwright-core is looked for beside the folder that NODE_MODULES names.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serve } from './serve.mjs';

const [folder, executablePath, shots, report] = process.argv.slice(2);
const { chromium } = createRequire(join(process.env.NODE_MODULES, 'from-here.js'))('playwright-core');

const QUIET = ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
const DESKTOP = { width: 1200, height: 900 };
const PHONE = { width: 360, height: 740 };
const MINUTES = 60_000;

let [passed, failed] = [0, 0];

async function test(name, body) {
  const start = Date.now();
  try {
    await body();
    passed += 1;
    console.log(`ok      ${name} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${String(error.stack ?? error).replace(/^/gm, '        ')}`);
  }
}

/** A browser with a new, empty profile, and a page that notes what goes wrong in it. */
async function browse(flags, address, options) {
  const profile = mkdtempSync(join(tmpdir(), 'sparse-adam-web-'));
  const context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: [...QUIET, ...flags], acceptDownloads: true, ...options });
  const page = context.pages()[0] ?? (await context.newPage());
  const errors = [];
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(address);
  const close = async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  };
  return { page, errors, close };
}

const shoot = (page, name) => page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
const text = (page, id) => page.locator(`#${id}`).innerText();

async function noOverflow(page) {
  const [content, window] = await page.evaluate(() => [document.scrollingElement.scrollWidth, innerWidth]);
  assert.ok(content <= window, `the page is ${content} wide in a window of ${window}`);
}

/** Lowest contrast of any visible text with what is behind it, as WCAG 2 counts it. */
function lowestContrast() {
  const parse = (color) => color.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  let least = { ratio: 99 };
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || !node.checkVisibility() || node.disabled || ['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(node.tagName)) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(parse(node.ownerSVGElement ? style.fill : style.color)), light(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < least.ratio) least = { ratio, text: node.textContent.slice(0, 40) };
  }
  return least;
}

async function withWebGpu(address) {
  const { page, errors, close } = await browse(WEBGPU, address, { viewport: DESKTOP });
  const results = {};

  await test('the page names the adapter and its limits', async () => {
    await page.waitForSelector('body[data-ready]', { timeout: MINUTES });
    assert.match(await text(page, 'adapter-name'), /swiftshader/i);
    await page.click('#limits summary');
    assert.ok((await page.locator('#limits-body tr').count()) >= 5);
    await shoot(page, 'desktop-ready');
  });
  if (failed > 0) {
    console.log(`        ${await text(page, 'main')}\n${errors.join('\n')}`);
    await close();
    return; // Nothing else can work.
  }

  await test('a picture forms, gets more splats, pauses and goes on', async () => {
    await page.click('#splats-run');
    await page.waitForSelector('#splats-chart polyline', { timeout: 2 * MINUTES });
    await page.waitForFunction(() => Number(document.querySelector('#splats-figure').dataset.splats) > 1000, null, { timeout: 5 * MINUTES });
    await page.waitForFunction(() => Number(document.querySelector('#splats-figure').dataset.psnr) > 24, null, { timeout: 5 * MINUTES });
    await shoot(page, 'desktop-splats');
    await page.click('#splats-run');
    await page.waitForFunction(() => document.querySelector('#splats-verdict').textContent.startsWith('Paused'), null, { timeout: MINUTES });
    console.log(`        ${await text(page, 'splats-verdict')}`);
    const apart = await page.evaluate(() => {
      const [drawn, target] = ['splats-drawn', 'splats-target'].map((id) => {
        const canvas = document.getElementById(id);
        return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      });
      return drawn.reduce((sum, value, at) => sum + Math.abs(value - target[at]), 0) / drawn.length;
    });
    assert.ok(apart > 0 && apart < 12, `the canvases are ${apart} of 255 apart`);
    const step = await page.getAttribute('#splats-figure', 'data-step');
    await page.click('#splats-run');
    await page.waitForFunction((before) => Number(document.querySelector('#splats-figure').dataset.step) > before, Number(step), { timeout: MINUTES });
    await page.click('#splats-run');
    await page.waitForFunction(() => !document.querySelector('#checks-run').disabled, null, { timeout: MINUTES });
  });

  await test('conformance: every golden trace and every law agrees', async () => {
    await page.fill('#checks-seed', '1');
    await page.click('#checks-run');
    await page.waitForSelector('#checks-body tr');
    assert.ok(await page.locator('#checks-running').isVisible());
    assert.ok(await page.locator('#train-run').isDisabled(), 'two things at once would disturb each other');
    await shoot(page, 'desktop-checking');
    await page.waitForFunction(() => document.querySelector('#checks-verdict').textContent, null, { timeout: 10 * MINUTES });
    const verdict = await text(page, 'checks-verdict');
    console.log(`        ${verdict}`);
    const wrong = await page.locator('#checks-body tr[data-ok=false]').allInnerTexts();
    assert.deepEqual(wrong, []);
    const goldens = readdirSync(join(folder, 'golden')).filter((file) => file.endsWith('.safetensors')).length;
    assert.equal(await page.locator('#checks-body tr[data-kind=trace]').count(), 2 * goldens);
    assert.ok((await page.locator('#checks-body tr[data-kind=law]').count()) >= 2 * 12);
    assert.ok((await page.locator('#checks-body tr[data-kind=kernel]').count()) >= 2 * 6);
    assert.match(verdict, new RegExp(`${2 * goldens} of ${2 * goldens} within tolerance`));
  });

  await test('the benchmark shows times, bandwidth and bars', async () => {
    await page.selectOption('#times-size', 'tiny');
    await page.click('#times-run');
    await page.waitForFunction(() => document.querySelector('#times-verdict').textContent, null, { timeout: 3 * MINUTES });
    console.log(`        ${await text(page, 'times-verdict')}`);
    assert.match(await text(page, 'times-verdict'), /^Copy: [\d.]+ GB\/s/);
    assert.equal(await page.locator('#times-body tr[data-ok=true]').count(), 5);
    assert.equal(await page.locator('#times-chart .bar').count(), 5);
  });

  await test('tuning times candidates of the same bits, and says what it found', async () => {
    await page.fill('#tune-seconds', '20');
    await page.click('#tune-run');
    await page.waitForSelector('#tune-running:visible');
    await page.waitForFunction(() => document.querySelector('#tune-verdict').textContent, null, { timeout: 3 * MINUTES });
    console.log(`        ${await text(page, 'tune-verdict')}`);
    assert.match(await text(page, 'tune-verdict'), /built-in numbers stay|found in/);
    assert.ok((await page.locator('#tune-body tr[data-bits=same]').count()) > 0, 'nothing was timed');
    assert.equal(await page.locator('#tune-body tr[data-bits=different]').count(), 0);
  });

  await test('training lowers the loss, pauses, and finds neighbours', async () => {
    await page.focus('#train-run');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#train-chart polyline', { timeout: 2 * MINUTES });
    const points = () => page.evaluate(() => document.querySelector('#train-chart polyline').getAttribute('points').split(' ').length);
    await page.waitForFunction(() => document.querySelector('#train-chart polyline').getAttribute('points').split(' ').length >= 12, null, { timeout: 3 * MINUTES });
    await shoot(page, 'desktop-training');
    await page.setViewportSize(PHONE);
    await page.waitForTimeout(200);
    await noOverflow(page);
    await shoot(page, 'phone-training');
    await page.setViewportSize(DESKTOP);
    assert.equal(await text(page, 'train-run'), 'Pause');
    await page.click('#train-run');
    await page.waitForFunction(() => document.querySelector('#train-verdict').textContent.startsWith('Paused'), null, { timeout: MINUTES });
    const before = await points();
    await page.fill('#search-word', 'dog');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#search-result li');
    assert.equal(await page.locator('#search-result li').count(), 10);
    await page.fill('#search-word', 'no such noun');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelector('#search-result').textContent.includes('no noun'));
    await page.fill('#search-word', 'coffe');
    assert.ok((await page.locator('#search-words option').count()) > 0, 'no suggestions');
    await page.fill('#search-word', 'coffee');
    await page.click('#search button');
    await page.waitForSelector('#search-result li');
    await page.click('#train-run');
    await page.waitForFunction((count) => document.querySelector('#train-chart polyline').getAttribute('points').split(' ').length > count, before, { timeout: MINUTES });
    await page.click('#train-run');
    await page.waitForFunction(() => !document.querySelector('#checks-run').disabled, null, { timeout: MINUTES });
    console.log(`        ${await text(page, 'train-verdict')}`);
  });

  await test('the results are offered as JSON', async () => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save')]);
    assert.equal(download.suggestedFilename(), 'sparse-adam-results.json');
    Object.assign(results, JSON.parse(readFileSync(await download.path(), 'utf8')));
    writeFileSync(report, JSON.stringify(results, null, 1));
    assert.ok(results.adapter.limits.length >= 5);
    assert.ok(results.conformance.checks.length > 60 && results.conformance.checks.every((check) => check.ok));
    assert.equal(results.adapter.class, 'same bits', results.adapter.probe);
    const { training } = results.conformance;
    assert.equal(training.hash, training.everywhere);
    assert.equal(results.benchmark.cases.length, 5);
    assert.equal(results.tuned.format, 2);
    assert.match(results.tuned.kernels, /^fnv1a:[0-9a-f]{16}$/);
    assert.ok(results.tuned.evidence.some((each) => each.us > 0), 'no candidate was timed');
    assert.ok(results.splats.curve.at(-1)[1] > 24);
    const { curve } = results.training;
    assert.ok(curve.at(-1)[1] < curve[0][1], `the loss went from ${curve[0][1]} to ${curve.at(-1)[1]}`);
  });

  await test('it fits a phone, in light and dark, with readable contrast and labels', async () => {
    await shoot(page, 'desktop-done');
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      const least = await page.evaluate(lowestContrast);
      assert.ok(least.ratio >= 4.5, `${colorScheme}: contrast ${least.ratio.toFixed(2)} of "${least.text}"`);
      await page.setViewportSize(PHONE);
      await page.waitForTimeout(200);
      await noOverflow(page);
      await shoot(page, `phone-done-${colorScheme}`);
      await page.setViewportSize(DESKTOP);
      await shoot(page, `desktop-done-${colorScheme}`);
    }
    const unnamed = await page.evaluate(() => [...document.querySelectorAll('button, input, select, progress')]
      .filter((node) => !(node.labels?.length || node.getAttribute('aria-label') || node.textContent.trim())).map((node) => node.outerHTML));
    assert.deepEqual(unnamed, []);
  });

  await test('the keyboard reaches every control in order', async () => {
    await page.evaluate(() => document.activeElement?.blur());
    const reached = [];
    for (let presses = 0; presses < 40; presses += 1) {
      await page.keyboard.press('Tab');
      const id = await page.evaluate(() => document.activeElement.id);
      if (id) reached.push(id);
    }
    const wanted = ['splats-run', 'checks-run', 'checks-seed', 'times-run', 'times-size', 'tune-run', 'tune-seconds', 'train-run', 'search-word', 'save'];
    const order = wanted.map((id) => reached.indexOf(id));
    assert.ok(order.every((at, i) => at >= 0 && (i === 0 || at > order[i - 1])), `reached ${reached}`);
  });

  await test('the console stayed free of errors', () => assert.deepEqual(errors, []));
  await close();
}

/** Three ways of having no WebGPU, and what each is told. */
const WITHOUT = [
  { name: 'a browser without WebGPU', script: () => Object.defineProperty(Navigator.prototype, 'gpu', { get: () => undefined }), says: /has no WebGPU/ },
  { name: 'a browser that finds no GPU', script: () => {}, says: /found no GPU/ },
  { name: 'a page that is not from https', host: 'elsewhere.test', script: () => {}, says: /only to pages from https/ },
];

async function withoutWebGpu(address) {
  for (const { name, script, host, says } of WITHOUT) {
    await test(`${name} is told what is missing`, async () => {
      const flags = ['--disable-features=WebGPUService', '--host-resolver-rules=MAP elsewhere.test 127.0.0.1'];
      const { page, errors, close } = await browse(flags, 'about:blank', { viewport: PHONE });
      await page.addInitScript(script);
      await page.goto(host ? address.replace('127.0.0.1', host) : address);
      await page.waitForSelector('#missing:visible', { timeout: MINUTES });
      const said = await text(page, 'missing');
      assert.match(said, /WebGPU is missing/);
      assert.match(said, says);
      assert.match(said, /cargo run --release --example conformance/);
      assert.equal(await page.locator('button:visible').count(), 0);
      await noOverflow(page);
      await shoot(page, `phone-${name.replaceAll(' ', '-')}`);
      await page.setViewportSize(DESKTOP);
      await shoot(page, `desktop-${name.replaceAll(' ', '-')}`);
      assert.deepEqual(errors, []);
      await close();
    });
  }
}

mkdirSync(shots, { recursive: true });
const { server, address } = await serve(folder);
try {
  await withWebGpu(address);
  await withoutWebGpu(address);
} finally {
  server.close();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
