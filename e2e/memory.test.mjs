// Pages that a browser brings back from its memory (the back-forward cache). Today's
// Chromium keeps no page marked no-store there unless told to, as later ones will be by
// themselves; told so, it drops a page when the cookie under it changed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { suite } from './lib/suite.mjs';

const here = suite({ flags: ['--enable-features=CacheControlNoStoreEnterBackForwardCache:level/restore-unless-http-only-cookie-change'] });

/** Records which pages came from memory. */
async function shown(page) {
  const seen = [];
  await page.exposeFunction('wasShown', (path, persisted) => seen.push({ path, persisted }));
  await page.addInitScript(() => addEventListener('pageshow', (event) => globalThis.wasShown(location.pathname, event.persisted)));
  return seen;
}

test('a step left and come back to by "back" is asked of the server anew, and goes on', here.with({}, async ({ journey, demo, page }) => {
  const seen = await shown(page);
  const user = demo.user('ok.pw');
  await journey.begin(demo.choosing);
  await journey.logIn(user, 'AL-300');
  const asked = page.waitForResponse((response) => response.url().endsWith('/business') && response.request().method() === 'GET');
  await page.goto(demo.fixed.url);
  await page.goBack();
  await asked;
  await journey.at('AL-300');
  assert.ok(seen.some(({ path, persisted }) => persisted && path.endsWith('/business')), `nothing came from memory: ${JSON.stringify(seen)}`);
  await journey.chooseFunctions('AL-500', '入出金明細照会');
  await journey.allow();
  await journey.seesBalances(...user.accounts);
}));

test('a form that is over is never brought back from memory, nor is a page with a PIN', here.with({}, async ({ journey, demo, page }) => {
  const seen = await shown(page);
  const user = demo.user('pin.none');
  await journey.begin(demo.fixed);
  await journey.logIn(user, 'AL-400');
  await journey.registerPINs(user, 'AL-410');
  await page.goBack();
  await journey.at('AL-410');
  await journey.confirm();
  for (let n = 0; n < 2; n++) {
    await page.goBack();
    await journey.at('AL-500');
  }
  assert.deepEqual(seen.filter(({ path, persisted }) => persisted && path.startsWith('/link/')), []);
}));

test('without JavaScript a page from memory still presses its own step, and only once', here.with({ scripts: false }, async ({ journey, demo, page }) => {
  const user = demo.user('ok.pw');
  await journey.begin(demo.fixed);
  await journey.logIn(user, 'AL-500');
  await page.goto(demo.choosing.url);
  await page.goBack({ waitUntil: 'commit' }); // a page from memory is not loaded
  await journey.at('AL-500');
  await journey.allow();
  await journey.seesBalances(...user.accounts);
  await page.goBack({ waitUntil: 'commit' });
  await journey.at('AL-510');
  assert.equal(await page.getByRole('button', { name: '許可', exact: true }).count(), 0);
}));
