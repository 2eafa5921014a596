// SPDX-License-Identifier: Apache-2.0
// The live page in a real browser: what it shows, that it follows, that a keyboard is
// enough, that 5,000 pods do not slow it, that nothing is loaded from elsewhere.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { chromium } from 'playwright-core';

const shots = process.env.SHOTS || '.';
let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    // A sandbox needs user namespaces, which root in a container does not have.
    args: process.getuid() === 0 ? ['--no-sandbox'] : [],
  });
});
after(() => browser.close());

// The server with made-up data; `tell` returns when the command has been obeyed.
async function startServer(pods) {
  const child = spawn(process.env.PAGE_SERVER, [String(pods)], { stdio: ['pipe', 'pipe', 'ignore'] });
  const failed = new Promise((_, reject) => child.on('error', reject));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const port = (await Promise.race([lines.next(), failed])).value;
  assert.match(String(port), /^\d+$/, `${process.env.PAGE_SERVER} ended before it listened`);
  return {
    url: `http://localhost:${port}/sluice/`,
    async tell(command) {
      child.stdin.write(command + '\n');
      assert.equal((await lines.next()).value, 'done');
    },
    stop: () => new Promise(resolve => { child.on('exit', resolve); child.stdin.end(); }),
  };
}

function suite(name, pods, body) {
  describe(name, () => {
    const t = {};
    before(async () => { t.server = await startServer(pods); });
    after(() => t.server?.stop());
    beforeEach(async () => {
      t.context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
      t.page = await t.context.newPage();
      t.problems = [];
      t.foreign = [];
      t.expected = [];  // failing requests that a test provokes
      t.page.on('console', message => { if (['error', 'warning'].includes(message.type())) t.problems.push(message.text()); });
      t.page.on('pageerror', error => t.problems.push(String(error)));
      t.page.on('dialog', dialog => { t.problems.push('dialog: ' + dialog.message()); dialog.dismiss(); });
      t.page.on('request', request => {
        const url = new URL(request.url());
        if (url.protocol !== 'data:' && url.origin !== new URL(t.server.url).origin) t.foreign.push(request.url());
      });
      t.open = async (hash = '') => {
        await t.page.goto(t.server.url + hash);
        await t.page.waitForFunction(() => state.node !== null);
      };
      t.update = () => t.page.evaluate(async () => { while (polling) await new Promise(requestAnimationFrame); await poll(); });
    });
    afterEach(async () => {
      await t.context.close();
      const unexpected = t.problems.filter(problem => !t.expected.some(pattern => pattern.test(problem)));
      assert.deepEqual(unexpected, [], 'the console must be clean');
      assert.deepEqual(t.foreign, [], 'nothing may be loaded from elsewhere');
    });
    body(t);
  });
}

const rows = page => page.locator('.pod:visible');
const selected = page => page.locator('.pod[aria-selected=true]:visible .name');

suite('the page', 30, t => {
  test('shows the node and its pods', async () => {
    await t.open();
    assert.equal(await t.page.textContent('#node'), 'node-1');
    assert.match(await t.page.textContent('#state'), /nothing is lost/);
    assert.equal(await t.page.textContent('#counter'), '30 pods');
    assert.equal(await t.page.title(), 'node-1 · Sluice');
    assert.match(await t.page.textContent('.cards'), /Lost lines\s*0/);
    assert.match(await t.page.textContent('.cards'), /Lokiaccepting/);
    await t.page.screenshot({ path: `${shots}/pods-light.png` });
  });

  test('follows what happens, worst first', async () => {
    await t.open();
    await t.update();
    assert.match(await rows(t.page).first().locator('.rate').textContent(), /^\d+(\.\d)? (B|KiB)\/s$/);
    await t.server.tell('trouble 7 The file cannot be read: permission denied.');
    await t.server.tell('lose 5');
    await t.update();
    assert.equal(await rows(t.page).first().locator('.name').textContent(), 'billing/db-00007');
    assert.match(await rows(t.page).first().textContent(), /permission denied/);
    assert.match(await t.page.textContent('#state'), /1 pod in trouble.*5 lines lost/);
    assert.match(await t.page.textContent('.cards'), /Lost lines\s*5/);
    assert.match(await t.page.title(), /^✕/);
    await t.server.tell('well 7');
    await t.update();
    assert.equal(await rows(t.page).first().locator('.name').textContent(), 'billing/db-00001');
  });

  test('filters', async () => {
    await t.server.tell('trouble 8 Test.');
    await t.open();
    await t.page.fill('#filter', 'SHOP/');
    assert.equal(await t.page.textContent('#counter'), '10 of 30 pods');
    assert.ok((await rows(t.page).locator('.name').allTextContents()).every(name => name.startsWith('shop/')));
    await t.page.fill('#filter', '');
    await t.page.check('#only');
    assert.equal(await t.page.textContent('#counter'), '1 of 30 pods');
    await t.page.fill('#filter', 'nothing like this');
    assert.equal(await rows(t.page).count(), 0);
    await t.server.tell('well 8');
  });

  test('needs no mouse', async () => {
    await t.open();
    const key = name => t.page.keyboard.press(name);
    await key('/');
    await t.page.keyboard.type('shop/web');
    assert.equal(await t.page.textContent('#counter'), '5 of 30 pods');
    await key('ArrowDown');
    assert.equal(await selected(t.page).textContent(), 'shop/web-00000');
    await key('j');
    await key('ArrowDown');
    await key('k');
    assert.equal(await selected(t.page).textContent(), 'shop/web-00006');
    assert.equal(await t.page.getAttribute('#pods', 'aria-activedescendant'), await t.page.getAttribute('.pod[aria-selected=true]', 'id'));
    await key('Enter');
    await t.page.waitForSelector('h2:text-is("shop/web-00006")');
    await key('e');
    await t.page.waitForSelector('.chain');
    await key('6');
    await t.page.waitForSelector('h2:text-is("Targets")');
    await key('1');
    await t.page.waitForSelector('#pods');
    assert.equal(await t.page.inputValue('#filter'), 'shop/web', 'the filter is kept');
    await key('End');
    assert.equal(await selected(t.page).textContent(), 'shop/web-00024');
    await key('t');
    await t.page.waitForSelector('h2:text-is("Live tail")');
    assert.equal(await t.page.inputValue('[name=pod]'), 'shop/web-00024');
    await key('Escape');
    await key('?');
    assert.ok(await t.page.locator('#help').isVisible());
    await key('Escape');
    assert.ok(!await t.page.locator('#help').isVisible());
    await key('/');
    await t.page.keyboard.type('1');
    assert.equal(await t.page.locator('main h2').textContent(), 'Live tail', 'typing switches no views');
  });

  test('shows everything of a pod, and runs nothing of it', async () => {
    await t.open('#/pod/shop%2Fweb-00000');
    await t.page.waitForSelector('td:has-text("shop_web-00000_uid/app/0.log")');
    const text = await t.page.textContent('main');
    for (const part of ['drop_stage', 'stream="stdout"', 'and 7 more', 'line too long', '<img src=x onerror=alert(1)>', '2.0 KiB']) {
      assert.ok(text.includes(part), part);
    }
    await t.page.screenshot({ path: `${shots}/pod.png` });
    await t.page.keyboard.press('Escape');
    await t.page.waitForSelector('#pods');
  });

  test('says what is not there', async () => {
    t.expected.push(/404/);
    await t.open('#/pod/shop%2Fgone');
    await t.page.waitForSelector('[role=alert]:has-text("no pod `shop/gone` is known here")');
  });

  test('explains why there are no logs', async () => {
    await t.open('#/why');
    await t.page.fill('#why', 'shop/web-00000');
    await t.page.keyboard.press('Enter');
    await t.page.waitForSelector('.chain .first');
    assert.match(await t.page.textContent('#answer'), /dropped by a stage/);
    assert.match(await t.page.textContent('.chain .first'), /pipeline: A drop stage takes every line.*Look at pipeline_stages/);
    assert.equal(await t.page.locator('.chain li').count(), 4);
    assert.match(await t.page.textContent('#answer'), /Streams of the last hour.*stream="stderr"/);
    await t.page.screenshot({ path: `${shots}/why.png` });
    await t.page.click('a:text-is("shop/web-00001")');
    await t.page.waitForFunction(() => document.getElementById('why').value === 'shop/web-00001');
  });

  test('tails with a filter', async () => {
    await t.open('#/tail/shop%2Fweb-00000');
    await t.page.fill('[name=text]', 'wanted');
    await t.page.click('button:text-is("Stop")');
    const streams = t.page.waitForResponse(response => response.url().includes('api/tail'));
    await t.page.click('button:text-is("Start")');
    assert.match((await streams).url(), /api\/tail\?pod=shop%2Fweb-00000&text=wanted/);
    await t.server.tell('line web-00000 another line');
    await t.server.tell('line web-00001 wanted, but of another pod');
    await t.server.tell('line web-00000 wanted <b>line</b>');
    await t.page.waitForSelector('.lines div');
    assert.match(await t.page.textContent('.lines'), /^\d{4}-\d\d-\d\dT[\d:.]+Z wanted <b>line<\/b>$/);
    await t.page.check('form input[type=checkbox]');
    await t.server.tell('line web-00000 wanted again');
    await t.page.waitForSelector('.lines div:nth-child(2)');
    assert.match(await t.page.textContent('.lines div:nth-child(2)'), /\{namespace="shop", pod="web-00000"\} wanted again/);
    await t.page.screenshot({ path: `${shots}/tail.png` });
  });

  test('says why a tail is refused', async () => {
    t.expected.push(/400/);
    await t.open('#/tail');
    await t.page.fill('[name=grep]', 'a(');
    await t.page.keyboard.press('Enter');
    await t.page.waitForSelector('[role=status]:has-text("`a(` is not a regular expression")');
    assert.ok(await t.page.locator('button:text-is("Start")').isVisible());
  });

  test('has the other views', async () => {
    await t.open('#/cardinality');
    await t.page.waitForSelector('td:has-text("request_id")');
    assert.match(await t.page.textContent('main'), /≈ 12,000/);
    await t.page.keyboard.press('5');
    await t.page.waitForSelector('h3:text-is("Lost most")');
    assert.match(await t.page.textContent('main'), /The writer cut the file/);
    await t.page.keyboard.press('7');
    await t.page.waitForSelector('pre:has-text("bearer_token: <secret>")');
    t.expected.push(/500/);
    await t.page.click('button:text-is("Reload")');
    await t.page.waitForSelector('[role=status]:has-text("failed to reload config: config.yaml:3:1")');
  });

  test('survives an agent that keeps silent', async () => {
    t.expected.push(/504/);
    await t.open();
    await t.server.tell('silent');
    await t.update();
    assert.match(await t.page.textContent('#state'), /does not answer/);
    assert.equal(await t.page.textContent('#counter'), '30 pods', 'what was known stays');
    await t.server.tell('speak');
    await t.update();
    assert.doesNotMatch(await t.page.textContent('#state'), /does not answer/);
  });

  test('is readable in the dark and in the light', async () => {
    for (const scheme of ['light', 'dark']) {
      await t.page.emulateMedia({ colorScheme: scheme });
      await t.open();
      const bad = await t.page.evaluate(() => {
        const probe = document.body.appendChild(document.createElement('i'));
        const rgb = value => { probe.style.color = value; return getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number); };
        const light = value => rgb(value).map(c => c / 255).map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
          .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
        const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((m, n) => n - m); return (x + 0.05) / (y + 0.05); };
        const bad = [];
        for (const front of ['text', 'dim', 'accent', 'ok', 'note', 'warning', 'critical']) {
          for (const back of ['bg', 'card', 'sel']) {
            const value = contrast(`var(--${front})`, `var(--${back})`);
            if (value < 4.5) bad.push(`${front} on ${back}: ${value.toFixed(2)}`);
          }
        }
        probe.remove();
        return bad;
      });
      assert.deepEqual(bad, [], scheme);
      await t.page.screenshot({ path: `${shots}/pods-${scheme}.png` });
    }
    await t.page.click('#theme');
    assert.equal(await t.page.getAttribute('html', 'data-theme'), 'light');
    await t.page.reload();
    assert.equal(await t.page.getAttribute('html', 'data-theme'), 'light', 'the choice is kept');
  });

  test('fits a phone', async () => {
    await t.page.setViewportSize({ width: 360, height: 740 });
    for (const view of ['pods', 'pod/shop%2Fweb-00000', 'why/x', 'tail', 'cardinality', 'ledger', 'targets', 'config']) {
      await t.open('#/' + view);
      await t.page.waitForFunction(() => !document.querySelector('main').textContent.includes('loading ...'));
      assert.ok(await t.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), view + ' must not scroll sideways');
      await t.page.screenshot({ path: `${shots}/phone-${view.replace(/\W.*/, '')}.png` });
    }
  });

  test('names every control', async () => {
    for (const view of ['pods', 'pod/shop%2Fweb-00000', 'why', 'tail', 'config']) {
      await t.open('#/' + view);
      const nameless = await t.page.evaluate(() => [...document.querySelectorAll('button, input, a, [role=listbox], [tabindex="0"]')]
        .filter(el => !(el.getAttribute('aria-label') || el.textContent.trim() || el.closest('label')?.textContent.trim()) && !el.hidden)
        .map(el => el.outerHTML));
      assert.deepEqual(nameless, [], view);
      assert.equal(await t.page.evaluate(() => document.activeElement.tagName !== 'BODY'), true, view + ' takes the focus');
    }
  });
});

suite('5,000 pods', 5000, t => {
  test('are shown without jank', async () => {
    await t.open();
    assert.equal(await t.page.textContent('#counter'), '5,000 pods');
    assert.ok(await t.page.locator('.pod').count() < 60, 'only the rows in sight exist');
    // The same scrolling over 5,000 rows and over a few of them: on a busy machine both
    // are slow, but the length of the list must not show.
    const scroll = () => t.page.evaluate(async () => {
      const list = document.getElementById('pods'), times = [], most = list.scrollHeight - list.clientHeight;
      let last = performance.now();
      for (let i = 1; i <= 60; ++i) {
        list.scrollTop = most * (i % 7) / 7;
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        times.push(now - last);
        last = now;
      }
      return times.sort((a, b) => a - b)[30];
    });
    const all = await scroll();
    await t.page.fill('#filter', '001');
    const few = await scroll();
    assert.ok(all < 1.5 * few + 10, `half of the frames take ${all.toFixed(1)} ms, with few pods ${few.toFixed(1)} ms`);
    await t.page.fill('#filter', '');
    const visible = await rows(t.page).first().locator('.name').textContent();
    assert.match(visible, /-0\d{4}$/);
    const work = await t.page.evaluate(async () => {
      while (polling) await new Promise(requestAnimationFrame);
      await poll();
      const begin = performance.now();
      current.update();
      return performance.now() - begin;
    });
    assert.ok(work < 100, `an update costs ${work.toFixed(1)} ms`);
    const began = Date.now();
    await t.page.fill('#filter', '04999');
    assert.equal(await rows(t.page).count(), 1);
    assert.ok(Date.now() - began < 2000, 'filtering is quick');
    await t.page.fill('#filter', '');
    await t.page.focus('#pods');
    await t.page.keyboard.press('End');
    assert.equal(await selected(t.page).textContent(), await t.page.evaluate(() => state.pods.at(-1).id));
    await t.page.screenshot({ path: `${shots}/pods-5000.png` });
    console.log(`a frame: ${all.toFixed(1)} ms, with few pods ${few.toFixed(1)} ms; an update: ${work.toFixed(1)} ms`);
  });
});
