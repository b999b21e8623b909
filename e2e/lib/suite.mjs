// The ground under every suite: one demo bank and one browser, opened before the
// first test of a file and closed after the last.
import { mkdir } from 'node:fs/promises';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Chromium } from './chromium.mjs';
import { Demo } from './demo.mjs';
import { Journey } from './journey.mjs';

export function suite({ demo: options = [], chromium = true, flags } = {}) {
  const here = {};
  before(async () => {
    here.demo = await Demo.open(...options);
    if (chromium) here.chromium = await Chromium.open(here.demo, flags);
  });
  after(async () => {
    await here.chromium?.close();
    await here.demo?.close();
  });

  /** Runs `test` with a fresh person at a fresh page, and closes their browser afterwards. */
  here.with = (person, test) => async (t) => {
    const { look, holder, ...rest } = person;
    const context = await here.chromium.person({ ...rest, holder: holder && here.demo.user(holder) });
    const page = await context.newPage();
    try {
      await test({ page, context, demo: here.demo, journey: new Journey(page, { look }) });
    } catch (error) {
      t.diagnostic(await evidence(page, t.name));
      throw error;
    } finally {
      await context.close();
    }
  };
  return here;
}

/**
 * Keeps the browser at the bank's last page, which leads on at once; `leave(n)` waits
 * until it tried so after n loads, and lets it go.
 */
export async function stayAtHandover(context) {
  let tried = 0;
  let seen = () => {};
  await context.route((url) => url.pathname === '/callback', (route) => {
    tried++;
    seen();
    return route.fulfill({ status: 204 });
  });
  return {
    async leave(loads = 1) {
      while (tried < loads) await new Promise((resolve) => { seen = resolve; });
      await context.unrouteAll();
    },
  };
}

const results = fileURLToPath(new URL('../test-results/', import.meta.url));

/** Keeps a picture of where a test failed and returns what the page said. */
async function evidence(page, name) {
  try {
    await mkdir(results, { recursive: true });
    await page.screenshot({ path: `${results}${name.replace(/[^\p{L}\p{N}]+/gu, '-').slice(0, 80)}.png`, fullPage: true });
    return `at ${page.url()}:\n${(await page.locator('body').innerText()).slice(0, 3000)}`;
  } catch (error) {
    return `no evidence: ${error.message}`;
  }
}
